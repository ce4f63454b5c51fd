//! The library: what a folder may hold, and whether listing and switch agree on it.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod folder;
