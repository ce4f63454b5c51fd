//! The lists: what may be kept, for whom, and how large all of them become.

use super::*;

#[test]
fn a_list_that_somebody_else_has_changed_is_not_overwritten() {
    let mut world = World::new();
    let list = |file: &str| Playlist {
        files: vec![FileName::try_from(file).expect("short")],
        ..Playlist::default()
    };
    let set = |file, before: Option<&str>| Command::SetPlaylist {
        name: "l".to_owned(),
        list: list(file),
        before: before.map(|file| Arc::new(list(file))),
    };
    let outcome = |world: &World, command| {
        world.machine.edited(&command).map(|lists| lists.len()).map_err(|declined| declined.kind)
    };
    assert_eq!(outcome(&world, set("a", Some("a"))), Err(DeclinedKind::Changed), "there is none");
    assert_eq!(outcome(&world, set("a", None)), Ok(1));
    assert!(world.machine.lists().is_empty(), "it is only said what would be");
    world.told(set("a", None), 0).expect("kept");
    assert_eq!(outcome(&world, set("b", Some("a"))), Ok(1));
    assert_eq!(outcome(&world, set("b", Some("c"))), Err(DeclinedKind::Changed));
    assert_eq!(outcome(&world, Command::RemovePlaylist("l".to_owned())), Ok(0));
    let unknown = Command::RemovePlaylist("m".to_owned());
    assert_eq!(outcome(&world, unknown), Err(DeclinedKind::NotFound));
}

#[test]
fn full_lists_are_as_large_as_the_budget_says_and_can_be_read_again() {
    use crate::base::limits::{
        FILE_NAME_BYTES_MAX, PLAYLISTS_MAX, PLAYLIST_BYTES, PLAYLIST_FILES_MAX,
    };
    let mut world = World::new();
    let file = FileName::try_from("x".repeat(FILE_NAME_BYTES_MAX).as_str()).expect("the longest");
    let files = vec![file; PLAYLIST_FILES_MAX];
    assert!(std::mem::size_of_val(files.as_slice()) <= PLAYLIST_BYTES);
    for n in 0..PLAYLISTS_MAX {
        let list = Playlist { files: files.clone(), repeat: true, shuffle: true };
        world
            .told(Command::SetPlaylist { name: format!("{n:064}"), list, before: None }, 0)
            .expect("kept");
    }
    let before = world.machine.lists();
    world
        .told(
            Command::SetPlaylist { name: "0".repeat(64), list: Playlist::default(), before: None },
            0,
        )
        .expect("kept");
    let shared = before.iter().filter(|(name, list)| {
        world.machine.lists().get(*name).is_some_and(|now| Arc::ptr_eq(now, list))
    });
    assert_eq!(shared.count(), PLAYLISTS_MAX - 1, "only the list that changes is copied");
    let text = super::super::super::lists_to_json(&before);
    assert!(text.capacity() <= PLAYLISTS_MAX * PLAYLIST_BYTES, "{}", text.capacity());
    assert_eq!(super::super::super::lists_from_json(&text).as_ref(), Ok(&*before));
}
