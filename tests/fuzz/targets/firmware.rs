//! What an update, a slot and the boot loader's environment may hold.

use streamcaster::appliance::firmware::environment::GrubEnvironment;
use streamcaster::appliance::firmware::orders;
use streamcaster::appliance::firmware::package::{self, PublicKey, SystemIdentity, HEADER_BYTES};
use streamcaster::appliance::firmware::slots::{self, Slot};

/// No bytes are signed by this key; what reads lines, archives and orders comes to an end, and an
/// environment is written as it was read.
pub fn run(bytes: &[u8]) {
    let mut header = [b'\n'; HEADER_BYTES];
    for (place, byte) in header.iter_mut().zip(bytes) {
        *place = *byte;
    }
    assert!(package::verify(&header, &[PublicKey([3; 32])]).is_err());
    if let Some(identity) =
        std::str::from_utf8(bytes).ok().and_then(|t| SystemIdentity::parse(t).ok())
    {
        assert!(!identity.is_older_than(&identity));
    }
    let _ = slots::identity_in(bytes);
    let _ = orders::receive(&mut &*bytes);
    let mut block = [b'#'; 1024];
    for (place, byte) in block.iter_mut().zip(bytes) {
        *place = *byte;
    }
    if let Ok(mut variables) = GrubEnvironment::parse(&block) {
        variables.set_tries(Slot::B, 1);
        variables.set_on_trial(Some(Slot::B));
        if let Ok(emitted) = variables.emit() {
            let again = GrubEnvironment::parse(&emitted).expect("what is written is read");
            assert_eq!((again.tries(Slot::B), again.on_trial()), (1, Some(Slot::B)));
            assert_eq!(again.first(), variables.first());
        }
    }
}
