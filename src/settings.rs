//! Flags, environment and file become settings; secrets are wrapped and unprintable.
