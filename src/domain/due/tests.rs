//! Whose hours count, and what runs on the wall's clock.

use super::*;
use crate::domain::{entry::Kind, fixture::*};

/// The starter people, with an office in New York for some of them.
fn people(working: &[&str]) -> Files {
    let mut people = PEOPLE.to_owned();
    for name in working {
        let from = format!("  {name}:\n");
        assert!(people.contains(&from));
        people = people.replace(
            &from,
            &format!("{from}    calendar: office\n    time_zone: America/New_York\n"),
        );
    }
    people += "calendars:\n  office: { days: [mon, tue, wed, thu, fri], hours: \"09:00-17:00\" }\n";
    Files {
        people,
        ..Files::default()
    }
}

/// What is due on a payment some minutes after it arrived: 2026-11-22 10:00 UTC, a Sunday.
fn kinds(files: &Files, minutes: i64) -> Vec<Kind> {
    let story = Story::under(files);
    let drafts = due(&story.case, &story.policy, at(minutes)).into_iter();
    drafts.map(|draft| draft.event.kind()).collect()
}

const HOUR: i64 = 60;
/// Monday 09:00 in New York.
const MONDAY: i64 = 28 * HOUR;

#[test]
fn without_calendars_every_hour_counts() {
    assert!(kinds(&Files::default(), 59).is_empty());
    assert_eq!(kinds(&Files::default(), HOUR + 1), [Kind::Reminded]);
    assert_eq!(
        kinds(&Files::default(), 5 * HOUR),
        [Kind::Reminded, Kind::Escalated]
    );
}

#[test]
fn a_weekend_is_nobodys_delay() {
    // Carol is the sponsor, so her hours say nothing.
    let office = people(&["alice", "bob"]);
    assert!(kinds(&office, MONDAY + 59).is_empty());
    assert_eq!(kinds(&office, MONDAY + HOUR), [Kind::Reminded]);
    assert_eq!(kinds(&office, MONDAY + 4 * HOUR - 1), [Kind::Reminded]);
    assert_eq!(
        kinds(&office, MONDAY + 4 * HOUR),
        [Kind::Reminded, Kind::Escalated]
    );
}

#[test]
fn the_first_who_works_counts() {
    assert_eq!(kinds(&people(&["alice"]), 2 * HOUR), [Kind::Reminded]);
    assert_eq!(
        kinds(&people(&["alice", "carol", "erin"]), 2 * HOUR),
        [Kind::Reminded]
    );
}

#[test]
fn i12_expiry_runs_on_the_walls_clock() {
    let office = people(&["alice", "bob"]);
    let expires = 2 * 24 * HOUR;
    assert!(!kinds(&office, expires - 1).contains(&Kind::Expired));
    assert_eq!(kinds(&office, expires), [Kind::Expired]);
}
