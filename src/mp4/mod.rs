//! MP4 and its relatives (ISO/IEC 14496-12 and -14): files, whole or in fragments, read in
//! constant memory.
