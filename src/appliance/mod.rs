//! What the machine image adds to the program: its system's two slots and their updates, the disk that
//! grows, its clock and name servers, the sandbox of the service, and the verbs that its scripts call.
//! Nothing here runs inside the data plane.

pub mod ext4;
pub mod firmware;
pub mod grow;
pub mod name_servers;
pub mod ntp;
pub mod partitions;
pub mod rights;
pub mod sandbox;
pub mod superblocks;
pub mod verbs;
