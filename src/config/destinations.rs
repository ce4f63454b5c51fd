//! Destinations: from what was said to where to push. Purpose: one list with names that differ,
//! made of the file's `[[destination]]` and the environment's `RTMP_SERVER` and `RELAY_TARGET`.

use super::build::Build;
use super::drafts::DestinationDraft;
use super::errors::Place;
use super::model::Destination;
use crate::base::limits::{DESTINATIONS_MAX, DESTINATION_NAME_BYTES_MAX};
use crate::base::redact::Secret;
use crate::operator::platforms::pasted;
use crate::rtmp::url::{RtmpUrl, StreamKey};

impl Build {
    /// Makes destinations of the drafts. Given names come first: a host that serves as a name
    /// gives way to them.
    pub(super) fn resolve_destinations(&mut self) {
        let drafts = std::mem::take(&mut self.drafts);
        self.check_count(&drafts);
        self.check_names(&drafts);
        let given = drafts.iter().filter_map(|draft| draft.name.as_ref());
        let mut taken: Vec<String> = given.map(|(name, _)| name.clone()).collect();
        for draft in drafts.iter().take(DESTINATIONS_MAX) {
            let Some((text, origin)) = &draft.url else { continue };
            match pasted::address(text, draft.key.as_ref().map(Secret::expose)) {
                Ok((url, key)) => {
                    let given = draft.name.as_ref().map(|(name, _)| name.clone());
                    let name = given.unwrap_or_else(|| free_name(&url.host, &mut taken));
                    let is_environments = draft.whole.place == Place::Environment;
                    let (enabled, on_warning) = (draft.enabled, draft.on_warning);
                    let backup_url = self.backup_address(draft, &key);
                    let reconnect = draft.reconnect;
                    self.config.destinations.push(Destination {
                        name,
                        url,
                        backup_url,
                        key,
                        enabled,
                        reconnect,
                        on_warning,
                        is_environments,
                    });
                }
                Err(error) => self.fail(origin.clone(), error.to_string()),
            }
        }
        self.drafts = drafts;
    }

    /// The address that is used when the first is refused or cannot be reached, for the same key.
    fn backup_address(&mut self, draft: &DestinationDraft, key: &StreamKey) -> Option<RtmpUrl> {
        let (text, origin) = draft.backup_url.as_ref()?;
        match pasted::address(text, Some(key.secret().expose())) {
            Ok((url, _)) => Some(url),
            Err(error) => {
                self.fail(origin.clone(), error.to_string());
                None
            }
        }
    }

    fn check_count(&mut self, drafts: &[DestinationDraft]) {
        let most = self.config.rtmp.destinations_max;
        if let Some(first_too_many) = drafts.get(most) {
            let expected = format!(
                "expected at most {most} destinations, there are {}; see [rtmp] destinations_max",
                drafts.len()
            );
            self.fail(first_too_many.whole.clone(), expected);
        }
    }

    fn check_names(&mut self, drafts: &[DestinationDraft]) {
        let mut seen: Vec<&str> = Vec::new();
        for (name, origin) in drafts.iter().filter_map(|draft| draft.name.as_ref()) {
            if seen.contains(&name.as_str()) {
                self.fail(origin.clone(), "expected a name that no other destination has");
            }
            seen.push(name);
        }
    }
}

/// The host, with a number behind it if it is taken; takes it.
fn free_name(host: &str, taken: &mut Vec<String>) -> String {
    let host: String = host.chars().take(DESTINATION_NAME_BYTES_MAX).collect();
    let numbered = (2..).map(|number: usize| format!("{host}-{number}"));
    let mut candidates = std::iter::once(host.clone()).chain(numbered);
    let free = candidates.find(|name| !taken.contains(name)).unwrap_or(host);
    taken.push(free.clone());
    free
}
