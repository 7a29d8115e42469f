//! People around a proposal: who is asked, who hears of it, whose hours count, who stands in for whom.

use std::time::Duration;

use serde_json::json;

use crate::world::{Opened, REPO, Setup, World, campaign, story, story_with};

const HOUR: u64 = 3_600;

fn asked(world: &World, of: &Opened) -> Vec<String> {
    let pull = world.github.pull(REPO, of.pull).unwrap();
    let people = pull["requested_reviewers"].as_array().unwrap().iter();
    let teams = pull["requested_teams"].as_array().unwrap().iter();
    let mut names: Vec<String> = people
        .map(|one| one["login"].as_str().unwrap().to_owned())
        .chain(teams.map(|one| format!("@{}", one["slug"].as_str().unwrap())))
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_consulted_is_asked_without_blocking_and_who_is_informed_is_mentioned() {
    story(async |world| {
        // Finance is consulted on campaigns, treasury informed; marketing owns them.
        let campaign = world.campaign().await;
        assert_eq!(asked(world, &campaign), ["@finance", "@marketing"]);
        world.approve("dave", &campaign).await;
        assert_eq!(world.state(&campaign).await, "executed");
        let outcome = world.answers(&campaign).pop().unwrap();
        assert!(outcome.contains("For information: @acme/treasury"), "{outcome}");
        assert!(!outcome.contains("@acme/finance"), "{outcome}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_are_part_of_what_is_recorded_and_approved() {
    story(async |world| {
        let silent = world.campaign().await;
        let received = world.about(&silent).remove(0);
        let parameters = &received["body"]["proposal"]["binding"]["items"][0]["parameters"];
        assert_eq!(parameters["from_name"], "Acme", "{received:#}");
        let mut stated = campaign();
        stated["parameters"]["from_name"] = json!("Acme Shop");
        let stated = world.open("campaign-agent", stated).await;
        let other = world.about(&stated).remove(0);
        assert_ne!(other["digests"]["action"], received["digests"]["action"]);
    })
    .await;
}

/// The short name of the day of the week so many days from now, in UTC.
fn day(days: i64) -> &'static str {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
    let at = at
        .to_zoned(jiff::tz::TimeZone::UTC)
        .weekday()
        .to_monday_zero_offset();
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][usize::try_from(at).unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_and_escalation_count_the_working_hours_of_those_who_are_asked() {
    // Dave, the only one who may approve, works on one day of the week: the day after tomorrow.
    let works = format!(
        "calendars:\n  rare: {{ days: [{}], hours: 00:00-24:00 }}\npeople:\n",
        day(2)
    );
    let setup = Setup {
        edits: vec![
            ("people.yaml", "people:\n", works.leak()),
            (
                "people.yaml",
                "  dave:\n",
                "  dave:\n    calendar: rare\n    time_zone: Etc/UTC\n",
            ),
            ("tiers.yaml", "expires_after: 3d ", "expires_after: 6d "),
        ],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let campaign = world.campaign().await;
        let happened = |world: &World| {
            let kinds = world.kinds(&campaign);
            ["reminded", "escalated"].map(|kind| kinds.iter().any(|one| one == kind))
        };
        // A day by the clock on the wall, and not one hour of his.
        world.both_later(Duration::from_secs(23 * HOUR));
        world.sweep().await;
        assert_eq!(happened(world), [false, false]);
        world.both_later(Duration::from_secs(49 * HOUR));
        world.sweep().await;
        assert_eq!(happened(world), [true, true]);
        assert_eq!(world.state(&campaign).await, "open");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_counts_every_hour_whoever_works() {
    let setup = Setup {
        edits: vec![
            (
                "people.yaml",
                "people:\n",
                "calendars:\n  rare: { days: [mon], hours: 09:00-09:01 }\npeople:\n",
            ),
            (
                "people.yaml",
                "  dave:\n",
                "  dave:\n    calendar: rare\n    time_zone: Asia/Tokyo\n",
            ),
        ],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let campaign = world.campaign().await;
        world.both_later(Duration::from_secs(72 * HOUR + 1));
        world.sweep().await;
        assert_eq!(world.state(&campaign).await, "expired");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

/// Days from now, as people write them.
fn date(world: &World, days: i64) -> String {
    let at = countersign::domain::ids::Timestamp::from_millis(world.time().millis() + days * 86_400_000);
    at.to_string()[..10].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_is_not_passed_on() {
    let setup = Setup {
        edits: vec![
            ("people.yaml", "  alice:\n", "  alice:\n    stand_ins: [erin]\n"),
            ("people.yaml", "  erin:\n", "  erin:\n    stand_ins: [dave]\n"),
        ],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        let until = date(world, 2);
        world
            .comment("alice", &payment, &format!("/delegate @erin until {until}"))
            .await;
        world
            .comment("erin", &payment, &format!("/delegate @dave until {until}"))
            .await;
        assert_eq!(world.of_kind("delegated").len(), 2);
        world.both_later(Duration::from_secs(60));
        world.approve("bob", &payment).await;
        world.approve("dave", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
        world.approve("erin", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_ends_by_itself() {
    let setup = Setup {
        edits: vec![
            ("people.yaml", "  alice:\n", "  alice:\n    stand_ins: [erin]\n"),
            ("tiers.yaml", "expires_after: 2d", "expires_after: 9d"),
        ],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        let text = format!("/delegate @erin until {}", date(world, 1));
        world.comment("alice", &payment, &text).await;
        assert_eq!(world.of_kind("delegated").len(), 1);
        world.both_later(Duration::from_secs(3 * 24 * HOUR));
        world.approve("bob", &payment).await;
        world.approve("erin", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}
