//! What GitHub delivered or could not, and having it delivered again. INVARIANT i24.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::{Caller, GitHub},
    error::Error,
    pages::following,
};
use crate::domain::ids::{DeliveryId, Timestamp};

/// The most pages of a hundred that one look reads; what is older is found by the sweep.
const MOST_PAGES: usize = 30;

#[derive(Deserialize)]
struct Attempt {
    id: u64,
    guid: DeliveryId,
    delivered_at: Timestamp,
    status_code: u16,
}

/// A delivery, by its last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// `X-GitHub-Delivery`, the same for every attempt.
    pub delivery: DeliveryId,
    /// When that was.
    pub at: Timestamp,
    /// Whether it was not acknowledged.
    pub failed: bool,
    /// Its last attempt.
    attempt: u64,
}

impl GitHub {
    /// Deliveries to the app since a time, oldest first.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn deliveries(&self, since: Timestamp) -> Result<Vec<Delivered>, Error> {
        let mut path = "/app/hook/deliveries?per_page=100".to_owned();
        let mut last: BTreeMap<DeliveryId, Attempt> = BTreeMap::new();
        'pages: for _ in 0..MOST_PAGES {
            let (page, link): (Vec<Attempt>, _) = self.get_linked_as_app(&path).await?;
            for attempt in page {
                if attempt.delivered_at < since {
                    break 'pages;
                }
                let known = last.get(&attempt.guid);
                if known.is_none_or(|known| known.id < attempt.id) {
                    last.insert(attempt.guid.clone(), attempt);
                }
            }
            match link.as_deref().map(|link| following(link, self.api())) {
                Some(Ok(Some(next))) => path = next,
                Some(Ok(None)) | None => break,
                Some(Err(because)) => {
                    return Err(Error::Malformed {
                        doing: "GET /app/hook/deliveries".to_owned(),
                        because: because.to_owned(),
                    });
                }
            }
        }
        let mut all: Vec<Attempt> = last.into_values().collect();
        all.sort_unstable_by_key(|attempt| attempt.id);
        let delivered = |attempt: Attempt| Delivered {
            delivery: attempt.guid,
            at: attempt.delivered_at,
            failed: !(200..300).contains(&attempt.status_code),
            attempt: attempt.id,
        };
        Ok(all.into_iter().map(delivered).collect())
    }

    /// Has a delivery made again. Asking twice only delivers it twice, which counts once.
    ///
    /// # Errors
    /// When GitHub does not take the wish.
    pub async fn deliver_again(&self, delivered: &Delivered) -> Result<(), Error> {
        let path = format!("/app/hook/deliveries/{}/attempts", delivered.attempt);
        let _: Value = self
            .write_as(Caller::App, Method::POST, &path, &json!({}))
            .await?;
        Ok(())
    }
}
