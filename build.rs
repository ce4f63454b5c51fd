//! Puts the version's git id into the binary.

fn main() {
    println!("cargo:rerun-if-changed=.git/HEAD");
}
