//! What playing remembers, as it stands on the disk: `playout.json` and the place on air. A text
//! that is understood means the same after it was written and read again.

use streamcaster::inputs::playout::{
    lists_from_json, lists_to_json, place_from_json, place_to_json,
};

/// Reads an input as either.
pub fn run(input: &[u8]) {
    match lists_from_json(input) {
        Ok(lists) => {
            let text = lists_to_json(&lists);
            let again = lists_from_json(&text).expect("what we wrote is understood");
            assert_eq!(again, lists);
        }
        Err(error) => assert!(!error.is_empty()),
    }
    match place_from_json(input) {
        Ok(place) => {
            let text = place_to_json(place.as_ref());
            assert_eq!(place_from_json(&text).as_ref(), Ok(&place));
        }
        Err(error) => assert!(!error.is_empty()),
    }
}
