//! `/delegate` below a pull request: who may, what is recorded, what is answered, and escalation to whom.

use std::time::Duration;

use countersign::sandbox::DeliveryFault;
use serde_json::{Value, json};

use crate::world::{REPO, Setup, World, story, story_with};

const DAY: i64 = 86_400_000;

/// Alice may be stood in for by bob and erin.
fn stand_ins() -> Setup {
    Setup {
        edits: vec![(
            "people.yaml",
            "  alice:\n",
            "  alice:\n    stand_ins: [bob, erin]\n",
        )],
        ..Setup::default()
    }
}

/// A day from now, as people write it.
pub(crate) fn day(world: &World, days: i64) -> String {
    let now = world.time().millis() + days * DAY;
    let at = countersign::domain::ids::Timestamp::from_millis(now).to_string();
    at[..10].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_delegates_for_a_time_and_takes_it_back() {
    story_with(stand_ins(), async |world| {
        let payment = world.payment().await;
        let until = day(world, 5);
        world.comment("alice", &payment, &format!("/delegate @bob until {until} on leave")).await;
        let [entry] = world.of_kind("delegated").try_into().unwrap();
        assert_eq!(entry["actor"]["person"], "alice");
        assert_eq!(entry["actor"]["role"], "gate");
        assert_eq!(entry.get("proposal"), None);
        let body = &entry["body"];
        assert_eq!((&body["owner"], &body["stand_in"]), (&json!("alice"), &json!("bob")));
        assert_eq!(body["reason"], "on leave");
        assert_eq!(body["until"], format!("{}T00:00:00.000Z", day(world, 6)));
        let answer = format!(
            "Recorded: bob stands in for alice until {} 00:00 UTC.\n\nAn approval counts for alice only while this holds, \
             and never for whoever sponsors or made a proposal. It is not passed on; `/delegate nobody` takes it back.\n",
            day(world, 6)
        );
        assert_eq!(world.answers(&payment), [answer]);
        world.comment("alice", &payment, "/delegate nobody").await;
        assert_eq!(world.of_kind("delegated").len(), 2);
        assert_eq!(world.answers(&payment)[1], "Recorded: nobody stands in for alice any more.\n");
        let subjects = world.subjects();
        assert!(subjects.iter().any(|line| line.starts_with("delegated: alice to bob, until ")), "{subjects:?}");
        assert!(subjects.contains(&"delegated: alice to nobody any more".to_owned()), "{subjects:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_only_a_persons_own_comment_delegates_and_only_to_their_stand_ins() {
    story_with(stand_ins(), async |world| {
        let payment = world.payment().await;
        let until = day(world, 5);
        // A stranger, somebody for alice, to no stand-in, passed on, too long, and words that are no command.
        for (login, text) in [
            ("mallory", format!("/delegate @bob until {until}")),
            ("bob", format!("/delegate @erin until {until}")),
            ("alice", format!("/delegate @dave until {until}")),
            ("alice", format!("/delegate @bob until {}", day(world, 40))),
            ("alice", format!("please /delegate @bob until {until}")),
            ("alice", format!("> /delegate @bob until {until}")),
        ] {
            world.comment(login, &payment, &text).await;
            assert_eq!(world.of_kind("delegated"), Vec::<Value>::new(), "{login}: {text}");
        }
        let comment = world
            .person("alice")
            .comment(REPO, payment.pull, "hello")
            .unwrap();
        world.settle().await;
        let edited = format!("/delegate @bob until {until}");
        world.person("root").edit_comment(REPO, comment, &edited).unwrap();
        world.settle().await;
        assert!(world.of_kind("delegated").is_empty());
        insta::assert_snapshot!(world.answers(&payment).concat(), @r"
        Not recorded for bob: people.yaml does not name this person among the `stand_ins` of the one who delegates; name one of them.
        Not recorded for alice: people.yaml does not name this person among the `stand_ins` of the one who delegates; name one of them.
        Not recorded for alice: a delegation lasts 30 days at most; name an earlier day.
        ");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_s_approval_counts_for_the_absent_owner_while_it_holds() {
    story_with(stand_ins(), async |world| {
        let payment = world.payment().await;
        // Erin is of marketing, which owns no payment.
        world.approve("erin", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        let text = format!("/delegate @erin until {}", day(world, 2));
        world.comment("alice", &payment, &text).await;
        // What she said before holds for nobody but herself.
        assert_eq!(world.state(&payment).await, "open");
        // GitHub tells whole seconds, and a review in the second of the delegation is not known to come after it.
        world.both_later(Duration::from_secs(60));
        world.approve("erin", &payment).await;
        assert_eq!(
            world.state(&payment).await,
            "executed",
            "{}",
            world.check(&payment).summary
        );
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_nobody_stands_in_for_the_sponsor() {
    let setup = Setup {
        edits: vec![("people.yaml", "  carol:\n", "  carol:\n    stand_ins: [erin]\n")],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        // Carol, of finance, sponsors the payment.
        let text = format!("/delegate @erin until {}", day(world, 2));
        world.comment("carol", &payment, &text).await;
        assert_eq!(world.of_kind("delegated").len(), 1);
        world.approve("erin", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_a_doubled_comment_delegates_once() {
    story_with(stand_ins(), async |world| {
        let payment = world.payment().await;
        world
            .github
            .webhook_fault(Some("issue_comment"), DeliveryFault::Duplicate, 1);
        let text = format!("/delegate @bob until {}", day(world, 5));
        world.comment("alice", &payment, &text).await;
        assert_eq!(world.of_kind("delegated").len(), 1);
        assert_eq!(world.answers(&payment).len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escalation_asks_stand_ins_once_and_opens_nothing() {
    story_with(stand_ins(), async |world| {
        let payment = world.payment().await;
        let asked = |world: &World| {
            let pull = world.github.pull(REPO, payment.pull).unwrap();
            let mut logins: Vec<String> = pull["requested_reviewers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["login"].as_str().unwrap().to_owned())
                .collect();
            logins.sort();
            logins
        };
        assert!(asked(world).is_empty());
        world.both_later(Duration::from_secs(5 * 3_600));
        world.sweep().await;
        assert!(world.kinds(&payment).contains(&"escalated".to_owned()));
        assert_eq!(asked(world), ["bob", "erin"]);
        assert_eq!(world.state(&payment).await, "open");
        world.sweep().await;
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_without_a_command_is_not_even_looked_at() {
    story(async |world| {
        let payment = world.payment().await;
        let before = world.entries().len();
        world.comment("alice", &payment, "thanks").await;
        assert_eq!(world.entries().len(), before);
    })
    .await;
}
