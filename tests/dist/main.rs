//! The product as it is shipped: the static binary, alone and in its container image.
#![cfg(test)]

use test_support::peers::wait;

mod alone;
mod container;
mod world;
