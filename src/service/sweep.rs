//! Looks at everything that is open, so that a missed webhook heals and time takes its course.

use std::time::Duration;

use super::turn::Bot;

impl Bot {
    /// Sweeps at start and then on a period, until the queue is closed.
    pub fn start_sweep(&self, period: Duration) {
        let bot = self.clone();
        self.tasks().spawn(async move {
            loop {
                bot.sweep().await;
                tokio::select! {
                    () = tokio::time::sleep(period) => {}
                    () = bot.queue().closed() => return,
                }
            }
        });
    }

    /// One sweep: what others recorded, what time brought, what was begun and not ended, every open pull request.
    pub async fn sweep(&self) {
        if let Err(error) = self.catch_up().await {
            tracing::warn!(%error, "a sweep could not finish; the next one tries again");
        }
        self.look_at_all();
    }
}
