//! Events that arrive, and the subjects that become due by them or without.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{ROWS, Together, Writing};
use crate::store::database::Places;

/// A subject that becomes due, because of an event or without one.
pub(in crate::store) struct Arrival {
    pub(in crate::store) subject: String,
    pub(in crate::store) at: i64,
    pub(in crate::store) event: Option<Event>,
}

/// A webhook's delivery and what it said.
pub(in crate::store) struct Event {
    pub(in crate::store) delivery: String,
    pub(in crate::store) hint: String,
}

/// What arrives at once. It is told how many of its events are new: one whose delivery is known already changes nothing.
pub(super) struct Arrivals(pub(super) Vec<Arrival>);

impl Together for Arrivals {
    type Said = usize;
    const RINGS: bool = true;

    fn write<'a>(all: &'a [Self], connection: &'a mut AnyConnection) -> Writing<'a, usize> {
        Box::pin(async move {
            let arrivals: Vec<&Arrival> = all.iter().flat_map(|one| &one.0).collect();
            let new = hear(connection, &arrivals).await?;
            make_due(connection, &arrivals, &new).await?;
            let is_new = |event: &&Event| new.contains(&event.delivery);
            let events = |one: &Self| {
                let events = one.0.iter().filter_map(|arrival| arrival.event.as_ref());
                events.filter(is_new).count()
            };
            Ok(all.iter().map(events).collect())
        })
    }
}

/// Writes events; the deliveries that are new.
async fn hear(connection: &mut AnyConnection, arrivals: &[&Arrival]) -> sqlx::Result<BTreeSet<String>> {
    // By key, so that two replicas lock in the same order.
    let mut events: BTreeMap<&str, (&Event, &Arrival)> = BTreeMap::new();
    for arrival in arrivals {
        if let Some(event) = &arrival.event {
            events.entry(&event.delivery).or_insert((event, arrival));
        }
    }
    let events: Vec<(&Event, &Arrival)> = events.into_values().collect();
    let mut new = BTreeSet::new();
    for some in events.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO inbox (delivery, subject, hint, heard_at, state) VALUES {} \
             ON CONFLICT (delivery) DO NOTHING RETURNING delivery",
            Places::on(connection).rows(some.len(), 5)
        );
        let mut insert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for (event, arrival) in some {
            insert = insert
                .bind(&event.delivery)
                .bind(&arrival.subject)
                .bind(&event.hint)
                .bind(arrival.at)
                .bind("waiting");
        }
        for row in insert.fetch_all(&mut *connection).await? {
            new.insert(row.try_get("delivery")?);
        }
    }
    Ok(new)
}

/// Makes subjects due, but for those of events that are not new.
async fn make_due(
    connection: &mut AnyConnection,
    arrivals: &[&Arrival],
    new: &BTreeSet<String>,
) -> sqlx::Result<()> {
    let mut due: BTreeMap<&str, i64> = BTreeMap::new();
    for arrival in arrivals {
        let known = arrival
            .event
            .as_ref()
            .is_some_and(|event| !new.contains(&event.delivery));
        if !known {
            let at = due.entry(&arrival.subject).or_insert(arrival.at);
            *at = arrival.at.min(*at);
        }
    }
    let due: Vec<(&str, i64)> = due.into_iter().collect();
    for some in due.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO subjects (subject, due) VALUES {} ON CONFLICT (subject) DO UPDATE SET \
             due = CASE WHEN subjects.owner IS NULL AND (subjects.due IS NULL OR subjects.due > excluded.due) \
             THEN excluded.due ELSE subjects.due END, \
             again = CASE WHEN subjects.owner IS NULL THEN NULL ELSE excluded.due END",
            Places::on(connection).rows(some.len(), 2)
        );
        let mut upsert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for (subject, at) in some {
            upsert = upsert.bind(*subject).bind(*at);
        }
        upsert.execute(&mut *connection).await?;
    }
    Ok(())
}
