//! Webhooks that GitHub could not deliver, because nobody was there or nothing could be stored, are asked for again.
//! INVARIANT i24.

use std::{collections::BTreeMap, time::Duration};

use super::turn::{Bot, NotNow};
use crate::domain::ids::{DeliveryId, Span, Timestamp};

/// GitHub delivers again what is at most this old.
const WINDOW: Span = Span::seconds(3 * 24 * 3_600);
/// How long a delivery may stay on its way; what was looked at before then is looked at again.
const OVERLAP: Span = Span::seconds(3_600);
/// How often a delivery is asked for again: what the door refuses each time is refused for good.
const TRIES: u32 = 5;

/// What was looked at already, and what was asked for.
#[derive(Debug, Default)]
pub(super) struct Redelivery {
    looked_at: Option<Timestamp>,
    asked: BTreeMap<DeliveryId, (u32, Timestamp)>,
}

impl Bot {
    /// Asks at the start and then on a period, until the process ends.
    pub fn start_redelivery(&self, period: Duration) {
        let bot = self.clone();
        self.tasks().spawn(async move {
            loop {
                if let Err(error) = bot.ask_for_undelivered().await {
                    tracing::warn!(%error, "what GitHub could not deliver is not known; it is asked again");
                }
                tokio::select! {
                    () = tokio::time::sleep(period) => {}
                    () = bot.stopping().begun() => return,
                }
            }
        });
    }

    /// Asks once for what GitHub could not deliver.
    pub async fn ask_for_undelivered(&self) -> Result<(), NotNow> {
        let mut redelivery = self.redelivery().lock().await;
        let now = self.now();
        let earliest = before(now, WINDOW);
        let since = redelivery
            .looked_at
            .map_or(earliest, |at| before(at, OVERLAP).max(earliest));
        redelivery.asked.retain(|_, (_, first)| *first >= earliest);
        for undelivered in self.github().undelivered(since).await? {
            let asked = redelivery.asked.entry(undelivered.delivery.clone());
            let (tries, _) = asked.or_insert((0, now));
            if *tries >= TRIES {
                continue;
            }
            *tries += 1;
            tracing::info!(delivery = %undelivered.delivery, tries, "GitHub could not deliver it; it is asked to try again");
            metrics::counter!("countersign_redeliveries_total").increment(1);
            self.github().deliver_again(&undelivered).await?;
        }
        redelivery.looked_at = Some(now);
        Ok(())
    }
}

fn before(at: Timestamp, span: Span) -> Timestamp {
    Timestamp::from_millis(at.millis() - span.millis())
}
