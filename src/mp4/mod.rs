//! MP4 and its relatives (ISO/IEC 14496-12, -14 and -15, and the QuickTime file format they come
//! from): files, whole or in fragments, read in constant memory; endless ones written fragment by
//! fragment.

mod boxes;
mod clock;
mod descriptor;
mod edits;
pub mod file;
pub mod fragment;
mod fragments;
mod index;
pub mod init;
mod keys;
mod lane;
mod media;
mod movie;
#[cfg(test)]
mod odd_tests;
mod run;
mod tables;
#[cfg(test)]
mod testing;
mod track;
mod view;
