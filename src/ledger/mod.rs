//! The adapter to Git: the mirror, and the signed append-only ledger branch.
