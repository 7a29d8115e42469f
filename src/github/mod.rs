//! The adapter to GitHub.
