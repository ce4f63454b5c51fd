//! Matroska (RFC 9559): files, read in constant memory.
