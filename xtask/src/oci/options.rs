//! What may be said of a container image.

use std::path::PathBuf;

use argh::FromArgs;

/// make the container image, target/dist/streamcaster.oci.tar, or print a task for ECS
#[derive(FromArgs)]
#[argh(subcommand, name = "oci")]
pub struct Oci {
    /// another build of the product than that of this source
    #[argh(option)]
    pub(super) binary: Option<PathBuf>,
    /// a configuration to start with, put into /data; anybody who has the image can read its keys
    #[argh(option)]
    pub(super) config: Option<PathBuf>,
    /// print a task definition for Amazon ECS instead
    #[argh(switch)]
    pub(super) ecs_task: bool,
    /// the task's image, as it was pushed
    #[argh(option)]
    pub(super) image: Option<String>,
    /// the task's region; the image's unless said otherwise
    #[argh(option)]
    pub(super) region: Option<String>,
    /// the task's account, of 12 digits; the image's unless said otherwise
    #[argh(option)]
    pub(super) account: Option<String>,
    /// an EFS file system for /data, as fs-0123abcd; without one it lives as long as the task
    #[argh(option)]
    pub(super) efs: Option<String>,
    /// the server of a destination, rtmp://…; its key comes from the secret stream-key
    #[argh(option)]
    pub(super) destination: Option<String>,
}
