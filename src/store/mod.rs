//! What lives on this machine only: outbox, data keys, leases.
