//! A GitHub-compatible server over loopback.
