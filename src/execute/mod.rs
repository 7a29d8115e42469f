//! Runs what a claimed plan says, one file an executor.
