//! The audit commands as an auditor meets them, on a clone.
