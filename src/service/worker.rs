//! Works the queue: several pull requests at a time, each by one worker only.

use std::time::Duration;

use super::turn::{Bot, Told};
use crate::domain::ids::PullNumber;

/// Pull requests that are looked at side by side.
const WORKERS: usize = 4;
/// Looks that fail in a row before a pull request is left to the sweep.
const TRIES: u32 = 5;

impl Bot {
    /// Starts the workers; they end once the queue is closed and empty.
    pub fn start_workers(&self) {
        for _ in 0..WORKERS {
            let bot = self.clone();
            self.tasks().spawn(async move {
                while let Some(mut taken) = bot.queue().take().await {
                    let (pull, told, work) = (*taken.key(), taken.said(), bot.clone());
                    // On a task of its own: should it panic, the worker goes on with the next one.
                    if tokio::spawn(async move { work.work(pull, told).await })
                        .await
                        .is_err()
                    {
                        tracing::error!(%pull, "a look broke off; the sweep looks again");
                    }
                }
            });
        }
    }

    async fn work(&self, pull: PullNumber, told: Vec<Told>) {
        for attempt in 1..=TRIES {
            match self.turn(pull, &told).await {
                Ok(()) => return,
                Err(error) if attempt < TRIES => {
                    tracing::warn!(%pull, attempt, %error, "a look failed; it is tried again");
                    tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                }
                Err(error) => {
                    metrics::counter!("countersign_looks_given_up_total").increment(1);
                    tracing::error!(%pull, %error, "a look failed for good; the sweep looks again");
                }
            }
        }
    }
}
