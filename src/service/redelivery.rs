//! Webhooks that GitHub could not deliver, because nobody was there or nothing could be stored, are asked for again; so
//! are those that were acknowledged and not worked on, when the database that held them is lost. INVARIANT i24.

use std::{collections::BTreeMap, time::Duration};

use super::turn::{Bot, NotNow};
use crate::{
    domain::ids::{DeliveryId, Span, Timestamp},
    github::Delivered,
};

/// GitHub delivers again what is at most this old.
const WINDOW: Span = Span::seconds(3 * 24 * 3_600);
/// How long a delivery may stay on its way; what was looked at before then is looked at again.
const OVERLAP: Span = Span::seconds(3_600);
/// How often a delivery is asked for again: what the door refuses each time is refused for good.
const TRIES: u32 = 5;

/// How long before the newest entry of the ledger something may have been acknowledged that was not worked on: as long as
/// a worker tries again before it gives up.
const IN_FLIGHT: Span = Span::seconds(3_600);

/// What was looked at already, and what was asked for.
#[derive(Debug, Default)]
pub(super) struct Redelivery {
    /// The database is new: it may be there in place of one that was lost.
    forgot: bool,
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

    /// From here on what was acknowledged before counts as undelivered, too, until it was asked for.
    pub(super) async fn has_forgotten(&self) {
        self.redelivery().lock().await.forgot = true;
    }

    /// Asks once for what GitHub could not deliver, and for what was lost with a database.
    pub async fn ask_for_undelivered(&self) -> Result<(), NotNow> {
        let mut redelivery = self.redelivery().lock().await;
        let now = self.now();
        let earliest = before(now, WINDOW);
        let since = redelivery
            .looked_at
            .map_or(earliest, |at| before(at, OVERLAP).max(earliest));
        redelivery.asked.retain(|_, (_, first)| *first >= earliest);
        // Nobody worked after the newest entry on what came long before it.
        let lost_since = before(self.ledger().read(|book| book.time()), IN_FLIGHT);
        let forgot = redelivery.forgot;
        let deliveries = self.github().deliveries(since).await?;
        let lost = |one: &&Delivered| one.failed || forgot && one.at >= lost_since;
        for undelivered in deliveries.iter().filter(lost) {
            let asked = redelivery.asked.entry(undelivered.delivery.clone());
            let (tries, _) = asked.or_insert((0, now));
            if *tries >= TRIES {
                continue;
            }
            *tries += 1;
            tracing::info!(
                delivery = %undelivered.delivery, tries, failed = undelivered.failed,
                "GitHub could not deliver it, or what became of it here is lost; it is asked to deliver it again"
            );
            metrics::counter!("countersign_redeliveries_total").increment(1);
            self.github().deliver_again(undelivered).await?;
        }
        redelivery.looked_at = Some(now);
        redelivery.forgot = false;
        Ok(())
    }
}

fn before(at: Timestamp, span: Span) -> Timestamp {
    Timestamp::from_millis(at.millis() - span.millis())
}
