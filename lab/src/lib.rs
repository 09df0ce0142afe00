//! Building and running Gatehouse on Linux.
