//! Whether the process ends: nothing more is begun then.

use tokio::sync::watch;

/// Told once, heard by everybody.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Sender<bool>);

impl Default for Stopping {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stopping {
    /// Begins the end: no subject is taken any more; what is worked on is finished.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
    /// Resolves once it has begun.
    pub async fn begun(&self) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}
