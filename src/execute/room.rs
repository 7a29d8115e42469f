//! Room at a target: how many calls are under way, and how often one begins, as the catalog bounds them for its host.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};

use crate::domain::{pace::Cells, policy::TargetBounds};

/// The targets of this process that have bounds.
#[derive(Debug, Default)]
pub(super) struct Rooms(Mutex<HashMap<String, (TargetBounds, Arc<Room>)>>);

#[derive(Debug)]
struct Room {
    slots: Option<Arc<Semaphore>>,
    pace: Option<Mutex<Cells>>,
    began: Instant,
}

/// Room for one call, given back when this goes.
#[derive(Debug)]
pub(super) struct Slot(
    #[expect(dead_code, reason = "held, and given back by being dropped")] Option<OwnedSemaphorePermit>,
);

impl Room {
    fn new(bounds: &TargetBounds) -> Self {
        let slots = bounds
            .concurrency()
            .and_then(|count| usize::try_from(count.get()).ok());
        let pace = bounds.rate().map(|(count, per)| {
            let per = Duration::from_millis(per.millis().unsigned_abs());
            Mutex::new(Cells::at_most(count.get(), per))
        });
        Self {
            slots: slots.map(Semaphore::new).map(Arc::new),
            pace,
            began: Instant::now(),
        }
    }

    async fn slot(&self, until: Instant) -> Option<Slot> {
        let permit = match &self.slots {
            Some(slots) => Some(
                timeout_at(until, Arc::clone(slots).acquire_owned())
                    .await
                    .ok()?
                    .ok()?,
            ),
            None => None,
        };
        if let Some(pace) = &self.pace {
            // Taken before it is waited for, so that whoever came first goes first.
            let at = {
                let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
                let at = pace.next(0, self.began.elapsed());
                if self.began + at > until {
                    return None;
                }
                pace.took(at);
                at
            };
            sleep_until(self.began + at).await;
        }
        Some(Slot(permit))
    }
}

impl Rooms {
    /// Waits for room at a host, for so long at most; `None` when there was none.
    pub(super) async fn slot(&self, host: &str, bounds: &TargetBounds, within: Duration) -> Option<Slot> {
        let until = Instant::now() + within;
        let room = {
            let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match rooms.get(host) {
                Some((known, room)) if known == bounds => Arc::clone(room),
                // Other rules came into force; what is under way keeps its own count.
                Some(_) | None => {
                    let room = Arc::new(Room::new(bounds));
                    rooms.insert(host.to_owned(), (*bounds, Arc::clone(&room)));
                    room
                }
            }
        };
        room.slot(until).await
    }
}
