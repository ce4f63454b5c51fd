//! Our RTMP sessions against independent ones, rml_rtmp's, in memory: its client plays from and
//! publishes to our server, our client publishes to its server.

#[cfg(test)]
mod interop {
    use std::io::IoSlice;

    use bytes::Bytes;
    use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
    use rml_rtmp::sessions::{
        ClientSession as TheirClient, ClientSessionConfig, ClientSessionEvent, ClientSessionResult,
        PublishRequestType, ServerSession as TheirServer, ServerSessionConfig, ServerSessionEvent,
        ServerSessionResult, StreamMetadata,
    };
    use rml_rtmp::time::RtmpTimestamp;

    use streamcaster::base::limits::{DESTINATION_CHUNK_BYTES, VIEWER_CHUNK_BYTES};
    use streamcaster::base::time::Mono;
    use streamcaster::rtmp::chunk_writer::{
        MediaMessage, CHUNK_STREAM_AUDIO, CHUNK_STREAM_DATA, CHUNK_STREAM_VIDEO,
    };
    use streamcaster::rtmp::client::{ClientEvent, ClientSession};
    use streamcaster::rtmp::message::{TYPE_AUDIO, TYPE_DATA, TYPE_VIDEO};
    use streamcaster::rtmp::metadata::{AudioMetadata, Metadata, VideoMetadata};
    use streamcaster::rtmp::server::{RtmpRefusal, ServerEvent, ServerSession};
    use streamcaster::rtmp::url::RtmpUrl;
    use streamcaster::rtmp::RtmpSession;

    const NOW: Mono = Mono(0);

    fn metadata() -> Metadata {
        Metadata {
            video: Some(VideoMetadata { width: 1280, height: 720, frame_rate: 30.0, kbps: 2500.0 }),
            audio: Some(AudioMetadata { kbps: 128.0, sample_rate_hz: 48_000, channels: 2 }),
        }
    }

    fn assert_is_our_metadata(theirs: &StreamMetadata) {
        assert_eq!((theirs.video_width, theirs.video_height), (Some(1280), Some(720)));
        assert_eq!(theirs.video_frame_rate, Some(30.0));
        assert_eq!((theirs.video_codec_id, theirs.audio_codec_id), (Some(7), Some(10)));
        assert_eq!((theirs.video_bitrate_kbps, theirs.audio_bitrate_kbps), (Some(2500), Some(128)));
        assert_eq!((theirs.audio_sample_rate, theirs.audio_channels), (Some(48_000), Some(2)));
        assert_eq!(theirs.audio_is_stereo, Some(true));
        assert!(theirs.encoder.as_deref().is_some_and(|name| name.starts_with("StreamCaster ")));
    }

    /// A payload of that many bytes, each place different from its neighbours.
    fn payload(length: usize, seed: u32) -> Vec<u8> {
        (0..length as u32).map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    /// A media message's wire form, its payload in two parts.
    fn media(
        message_stream: u32,
        type_id: u8,
        timestamp_ms: u32,
        payload: &[u8],
        chunk: usize,
    ) -> Vec<u8> {
        let chunk_stream = match type_id {
            TYPE_AUDIO => CHUNK_STREAM_AUDIO,
            TYPE_VIDEO => CHUNK_STREAM_VIDEO,
            _ => CHUNK_STREAM_DATA,
        };
        let message = MediaMessage::new(
            chunk_stream,
            message_stream,
            type_id,
            timestamp_ms,
            payload.len(),
            chunk,
        );
        let (front, back) = payload.split_at(payload.len() / 3);
        let mut wire = Vec::new();
        loop {
            let mut slices = heapless::Vec::<IoSlice<'_>, 8>::new();
            let last = message.slices([front, back], wire.len(), &mut slices);
            slices.iter().for_each(|slice| wire.extend_from_slice(slice));
            if last {
                assert_eq!(wire.len(), message.wire_len());
                return wire;
            }
        }
    }

    /// rml_rtmp's client, connected to our server.
    struct Player {
        theirs: TheirClient,
        ours: ServerSession,
        events: Vec<ClientSessionEvent>,
    }

    impl Player {
        fn connected() -> Player {
            let mut ours = ServerSession::new(NOW);
            let mut handshake = Handshake::new(PeerType::Client);
            ours.input(&handshake.generate_outbound_p0_and_p1().unwrap(), NOW).unwrap();
            let answer = ours.outbox().to_vec();
            ours.sent(answer.len());
            match handshake.process_bytes(&answer).unwrap() {
                HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                    assert!(remaining_bytes.is_empty());
                    ours.input(&response_bytes, NOW).unwrap();
                }
                other => panic!("{other:?}"),
            }
            let mut config = ClientSessionConfig::new();
            config.tc_url = Some("rtmp://localhost/live".to_owned());
            let (mut theirs, results) = TheirClient::new(config).unwrap();
            assert_eq!(results, []);
            let connect = theirs.request_connection("live".to_owned()).unwrap();
            let mut player = Player { theirs, ours, events: Vec::new() };
            player.act(vec![connect]);
            assert_eq!(
                std::mem::take(&mut player.events),
                [ClientSessionEvent::ConnectionRequestAccepted]
            );
            player
        }

        /// Carries results and answers to and fro until both have nothing to say.
        fn act(&mut self, results: Vec<ClientSessionResult>) {
            let mut results = results;
            loop {
                for result in results {
                    match result {
                        ClientSessionResult::OutboundResponse(packet) => {
                            self.ours.input(&packet.bytes, NOW).unwrap();
                        }
                        ClientSessionResult::RaisedEvent(event) => self.events.push(event),
                        ClientSessionResult::UnhandleableMessageReceived(_) => {}
                    }
                }
                let answer = self.ours.outbox().to_vec();
                if answer.is_empty() {
                    return;
                }
                self.ours.sent(answer.len());
                results = self.theirs.handle_input(&answer).unwrap();
            }
        }
    }

    #[test]
    fn their_client_plays_from_our_server() {
        let mut player = Player::connected();
        let play = player.theirs.request_playback("stream?key=abc".to_owned()).unwrap();
        player.act(vec![play]);
        match player.ours.event() {
            Some(ServerEvent::Play { name, key: Some(key) }) => {
                assert_eq!((name.as_str(), key.expose()), ("stream", "abc"));
            }
            other => panic!("{other:?}"),
        }
        player.ours.accept_play(NOW).unwrap();
        player.act(vec![]);
        assert!(player.events.contains(&ClientSessionEvent::PlaybackRequestAccepted));
        player.events.clear();

        let id = player.ours.playing().unwrap();
        let (video, audio) = (payload(150_000, 1), payload(300, 2));
        let wire = [
            media(id, TYPE_DATA, 0, &metadata().for_players(), VIEWER_CHUNK_BYTES),
            media(id, TYPE_VIDEO, 40, &video, VIEWER_CHUNK_BYTES),
            media(id, TYPE_AUDIO, 41, &audio, VIEWER_CHUNK_BYTES),
        ]
        .concat();
        for piece in wire.chunks(1000) {
            let results = player.theirs.handle_input(piece).unwrap();
            player.act(results);
        }
        match &player.events[..] {
            [ClientSessionEvent::StreamMetadataReceived { metadata }, ClientSessionEvent::VideoDataReceived { timestamp: at_video, data: video_data }, ClientSessionEvent::AudioDataReceived { timestamp: at_audio, data: audio_data }] =>
            {
                assert_is_our_metadata(metadata);
                assert_eq!((at_video.value, at_audio.value), (40, 41));
                assert!(video_data[..] == video);
                assert!(audio_data[..] == audio);
            }
            other => panic!("{other:?}"),
        }

        let stop = player.theirs.stop_playback().unwrap();
        player.act(stop);
        assert_eq!(player.ours.event(), Some(ServerEvent::Stop));
    }

    #[test]
    fn their_client_is_refused_what_it_may_not_have() {
        let mut player = Player::connected();
        let play = player.theirs.request_playback("other".to_owned()).unwrap();
        player.act(vec![play]);
        assert!(matches!(player.ours.event(), Some(ServerEvent::Play { .. })));
        player.ours.refuse(RtmpRefusal::StreamNotFound).unwrap();
        player.act(vec![]);
        let code = "NetStream.Play.StreamNotFound".to_owned();
        assert_eq!(player.events, [ClientSessionEvent::UnhandleableOnStatusCode { code }]);

        let mut player = Player::connected();
        let publish =
            player.theirs.request_publishing("key".to_owned(), PublishRequestType::Live).unwrap();
        player.act(vec![publish]);
        assert!(matches!(player.ours.event(), Some(ServerEvent::Publish { .. })));
        player.ours.refuse(RtmpRefusal::PublishDenied).unwrap();
        player.act(vec![]);
        let code = "NetStream.Publish.Denied".to_owned();
        assert_eq!(player.events, [ClientSessionEvent::UnhandleableOnStatusCode { code }]);
        assert!(player.ours.is_closing());
    }

    /// Our client, pushing to rml_rtmp's server.
    struct Push {
        ours: ClientSession,
        theirs: TheirServer,
        events: Vec<ServerSessionEvent>,
    }

    impl Push {
        fn connected() -> Push {
            let (url, key) = RtmpUrl::parse_with_key("rtmp://localhost/app/secret?sign=1").unwrap();
            let mut ours = ClientSession::new(url, key, NOW).unwrap();
            let mut handshake = Handshake::new(PeerType::Server);
            let HandshakeProcessResult::InProgress { response_bytes } =
                handshake.process_bytes(ours.outbox()).unwrap()
            else {
                panic!("the handshake cannot be over yet");
            };
            ours.sent(usize::MAX);
            ours.input(&response_bytes, NOW).unwrap();
            let HandshakeProcessResult::Completed { remaining_bytes, .. } =
                handshake.process_bytes(ours.outbox()).unwrap()
            else {
                panic!("the handshake should be over");
            };
            ours.sent(usize::MAX);
            let (mut theirs, mut results) = TheirServer::new(ServerSessionConfig::new()).unwrap();
            results.extend(theirs.handle_input(&remaining_bytes).unwrap());
            let mut push = Push { ours, theirs, events: Vec::new() };
            push.act(results);
            push
        }

        /// Carries bytes to and fro until both have nothing to say.
        fn act(&mut self, results: Vec<ServerSessionResult>) {
            let mut results = results;
            loop {
                for result in results {
                    match result {
                        ServerSessionResult::OutboundResponse(packet) => {
                            self.ours.input(&packet.bytes, NOW).unwrap();
                        }
                        ServerSessionResult::RaisedEvent(event) => self.events.push(event),
                        ServerSessionResult::UnhandleableMessageReceived(_) => {}
                    }
                }
                let bytes = self.ours.outbox().to_vec();
                if bytes.is_empty() {
                    return;
                }
                self.ours.sent(bytes.len());
                results = self.theirs.handle_input(&bytes).unwrap();
            }
        }

        fn receive(&mut self, wire: &[u8]) {
            let results = self.theirs.handle_input(wire).unwrap();
            self.act(results);
        }
    }

    #[test]
    fn our_client_publishes_to_their_server() {
        let mut push = Push::connected();
        let mut rounds = 0;
        let message_stream = loop {
            rounds += 1;
            assert!(rounds < 10, "no consent: {:?}", push.events);
            for event in std::mem::take(&mut push.events) {
                let request = match event {
                    ServerSessionEvent::ConnectionRequested { request_id, app_name } => {
                        assert_eq!(app_name, "app");
                        request_id
                    }
                    ServerSessionEvent::ReleaseStreamRequested {
                        request_id, stream_key, ..
                    }
                    | ServerSessionEvent::PublishStreamRequested {
                        request_id, stream_key, ..
                    } => {
                        assert_eq!(stream_key, "secret?sign=1");
                        request_id
                    }
                    _ => continue,
                };
                let results = push.theirs.accept_request(request).unwrap();
                push.act(results);
            }
            if let Some(event) = push.ours.event() {
                match event {
                    ClientEvent::Published { message_stream } => break message_stream,
                    other => panic!("{other:?}"),
                }
            }
        };
        push.events.clear();

        let (frame, sound) = (payload(50_000, 3), payload(400, 4));
        let chunk = DESTINATION_CHUNK_BYTES;
        push.receive(&media(message_stream, TYPE_DATA, 0, &metadata().for_servers(), chunk));
        push.receive(&media(message_stream, TYPE_VIDEO, 1_000_000, &frame, chunk));
        push.receive(&media(message_stream, TYPE_AUDIO, 1_000_010, &sound, chunk));
        match &push.events[..] {
            [ServerSessionEvent::StreamMetadataChanged { metadata, .. }, ServerSessionEvent::VideoDataReceived { data: video, timestamp: at_video, .. }, ServerSessionEvent::AudioDataReceived { data: audio, timestamp: at_audio, .. }] =>
            {
                assert_is_our_metadata(metadata);
                assert_eq!((at_video.value, at_audio.value), (1_000_000, 1_000_010));
                assert!(video[..] == frame);
                assert!(audio[..] == sound);
            }
            other => panic!("{other:?}"),
        }
        push.events.clear();

        push.ours.finish().unwrap();
        push.act(vec![]);
        let finished = |event: &ServerSessionEvent| {
            matches!(event, ServerSessionEvent::PublishStreamFinished { .. })
        };
        assert!(push.events.iter().any(finished), "{:?}", push.events);
        assert!(push.ours.is_closing());
    }

    #[test]
    fn our_client_tells_their_servers_refusal() {
        let mut push = Push::connected();
        let request = push.events.iter().find_map(|event| match event {
            ServerSessionEvent::ConnectionRequested { request_id, .. } => Some(*request_id),
            _ => None,
        });
        let code = "NetConnection.Connect.Rejected";
        let results =
            push.theirs.reject_request(request.unwrap(), code, "not with secret").unwrap();
        push.act(results);
        let refused = ClientEvent::Refused {
            code: code.to_owned(),
            description: "not with ••••".to_owned(),
        };
        assert_eq!(push.ours.event(), Some(refused));
    }

    #[test]
    fn our_server_reads_past_the_media_of_their_publisher() {
        let mut player = Player::connected();
        let play = player.theirs.request_playback("stream".to_owned()).unwrap();
        player.act(vec![play]);
        player.ours.accept_play(NOW).unwrap();
        player.act(vec![]);
        // Their serializer compresses headers, so every format of chunk header comes along.
        let mut serializer = rml_rtmp::chunk_io::ChunkSerializer::new();
        let mut wire = Vec::new();
        for index in 0..200_u32 {
            let (type_id, length) = if index % 3 == 0 { (9, 5000) } else { (8, 200 + index % 2) };
            let message = rml_rtmp::messages::MessagePayload {
                timestamp: RtmpTimestamp::new(index * 20),
                type_id,
                message_stream_id: 1,
                data: Bytes::from(payload(length as usize, index)),
            };
            wire.extend(serializer.serialize(&message, false, false).unwrap().bytes);
        }
        // The chunk size their session announced is not this serializer's: say so.
        let size = rml_rtmp::chunk_io::ChunkSerializer::new()
            .set_max_chunk_size(128, RtmpTimestamp::new(0))
            .unwrap();
        player.ours.input(&size.bytes, NOW).unwrap();
        for piece in wire.chunks(777) {
            player.ours.input(piece, NOW).unwrap();
        }
        assert_eq!(
            player.ours.event(),
            Some(ServerEvent::Play { name: "stream".into(), key: None })
        );
        assert_eq!(player.ours.event(), None);
        let stop = player.theirs.stop_playback().unwrap();
        player.act(stop);
        assert_eq!(player.ours.event(), Some(ServerEvent::Stop));
    }
}
