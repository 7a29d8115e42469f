//! Looks at everything that is open, so that a missed webhook heals and time takes its course.

use std::time::Duration;

use super::turn::{Bot, NotNow};

impl Bot {
    /// Sweeps at start and then on a period, until the process ends.
    pub fn start_sweep(&self, period: Duration) {
        let bot = self.clone();
        self.tasks().spawn(async move {
            loop {
                bot.sweep().await;
                tokio::select! {
                    () = tokio::time::sleep(period) => {}
                    () = bot.stopping().begun() => return,
                }
            }
        });
    }

    /// One sweep: what others recorded, what time brought, what was begun and not ended, every open pull request.
    pub async fn sweep(&self) {
        let looked = match self.is_apart() {
            true => Ok(()),
            false => self.look_at_all().await,
        };
        for done in [self.catch_up().await, looked, self.prune().await] {
            if let Err(error) = done {
                tracing::warn!(%error, "a sweep could not finish; the next one tries again");
            }
        }
    }

    /// Forgets what was only remembered so that it is known when it comes again.
    async fn prune(&self) -> Result<(), NotNow> {
        self.store().inbox().prune(self.now()).await?;
        self.store().results().prune(self.now()).await?;
        Ok(self.store().nonces().prune(self.now()).await?)
    }
}
