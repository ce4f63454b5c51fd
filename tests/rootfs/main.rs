//! The scripts of the appliance's root file system, run with the programs of the busybox it carries,
//! in a folder that stands for `/`. Purpose: what a stranger's bytes, a wrong configuration or a silent program
//! make of them. Non-goals: mounting, drivers, the boot, which need a machine. Only the applets that
//! `rootfs/applets` names are there, so that a script that needs another fails here.

use test_support::peers::wait;

mod disk_and_clock;
mod disks;
mod first_start;
mod hostile;
mod lease;
mod seal;
mod supervision;
mod takeover;
mod tree;
mod world;
