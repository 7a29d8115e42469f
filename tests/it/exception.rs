//! `/exception` below a pull request: who may, what is recorded, what is answered, and what it never does.

use std::time::Duration;

use countersign::sandbox::DeliveryFault;
use serde_json::{Value, json};

use crate::world::{REPO, Setup, payment, story_with};

const BIG: &str = "\
summary: Nothing above ten thousand
level: deny
expression: params.amount.minor <= 1000000
message: above ten thousand
remedy: propose less
exceptions: { approvers: [marketing] }
";

/// Payments above ten thousand are denied; marketing may depart from that.
pub(crate) fn denied() -> Setup {
    Setup {
        edits: vec![(
            "catalog.yaml",
            "checks: [text]\n    sensitive: [params.iban]",
            "checks: [text, big]\n    sensitive: [params.iban]",
        )],
        files: vec![("checks/big.yaml", BIG)],
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_is_counted_by_its_check_and_a_refused_one_is_not() {
    let figures = crate::world::figures();
    let counted = || {
        let text = figures.render();
        let mut lines = text.lines().map(str::to_owned);
        lines.find(|line| line.starts_with(r#"countersign_exceptions_total{check="yearly"}"#))
    };
    // No other test has a check of this name.
    let mut setup = denied();
    setup.edits[0].2 = "checks: [text, yearly]\n    sensitive: [params.iban]";
    setup.files[0].0 = "checks/yearly.yaml";
    story_with(setup, async |world| {
        let payment = world.payment().await;
        world
            .comment("alice", &payment, "/exception yearly she may not")
            .await;
        assert_eq!(counted(), None);
        world
            .comment("dave", &payment, "/exception yearly the yearly invoice")
            .await;
        let counted = counted();
        assert_eq!(
            counted.as_deref(),
            Some(r#"countersign_exceptions_total{check="yearly"} 1"#)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_approver_lets_a_denied_payment_pass_and_it_runs_once() {
    story_with(denied(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        let check = world.check(&payment);
        assert_eq!(check.conclusion, "action_required");
        assert!(
            check.summary.contains("dave (marketing) or erin (marketing) comments `/exception CHECK why`"),
            "{}",
            check.summary
        );
        world.comment("dave", &payment, "/exception big the yearly invoice").await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
        let [entry] = world.of_kind("exception").try_into().unwrap();
        assert_eq!(entry["actor"]["person"], "dave");
        assert_eq!(entry["actor"]["role"], "gate");
        assert_eq!(entry["proposal"], json!(payment.id));
        let body = &entry["body"];
        assert_eq!((&body["check"], &body["reason"]), (&json!("big"), &json!("the yearly invoice")));
        assert_eq!(body["heard"]["account"], json!(world.github.user_id("dave").unwrap()));
        for digest in ["action", "presentation", "policy"] {
            assert!(entry["digests"][digest].is_string(), "{entry:#}");
        }
        let subjects = world.subjects();
        let told = subjects.iter().find(|line| line.starts_with("exception: ")).unwrap();
        assert!(told.ends_with(", from big, by dave: the yearly invoice"), "{told}");
        insta::assert_snapshot!(world.answers(&payment)[0], @r"
        Recorded: dave lets this proposal pass `big`, because the yearly invoice.

        It stands while the policy and GitHub let them grant it, as long as an approval would. It is no approval, and theirs does not count besides; they take it back with `/exception big withdraw`.
        ");
        let observed = world.about(&payment);
        let start = observed.iter().rev().find(|entry| entry["kind"] == "observed").unwrap();
        let because = start["body"]["because"].as_array().unwrap();
        let noted = because.iter().find(|one| one["rule"] == "exception").unwrap();
        assert_eq!((&noted["section"], &noted["who"]), (&json!("big"), &json!(["dave"])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_nobody_else_lets_it_pass_and_no_other_text_is_a_command() {
    let setup = Setup {
        agent_accounts: true,
        ..denied()
    };
    story_with(setup, async |world| {
        // The agent's own text.
        let mut body = payment();
        body["justification"] = json!("/exception big because I say so");
        let payment = world.open("payments-agent", body).await;
        for (login, text) in [
            ("carol", "/exception big mine"),
            ("carol-oncall", "/exception big mine"),
            ("alice", "/exception big mine"),
            ("mallory", "/exception big mine"),
            ("payments-agent[bot]", "/exception big mine"),
            ("dave", "/exception bgi typo"),
            ("dave", "/exception text it did not deny"),
            ("dave", "/exception big"),
            ("dave", "please /exception big"),
            ("dave", "> /exception big quoted"),
        ] {
            world.comment(login, &payment, text).await;
            assert_eq!(world.of_kind("exception"), Vec::<Value>::new(), "{login}: {text}");
        }
        // In a review, and in a comment that is edited later.
        let dave = world.person("dave");
        dave.comment_review(REPO, payment.pull, "/exception big in a review").unwrap();
        world.settle().await;
        let comment = world.comment("dave", &payment, "hello").await;
        world.person("root").edit_comment(REPO, comment, "/exception big edited").unwrap();
        world.settle().await;
        assert!(world.of_kind("exception").is_empty());
        insta::assert_snapshot!(world.answers(&payment).concat(), @r"
        Not recorded for carol: its sponsor and whoever wrote, pushed or merged it grant no exception; ask dave (marketing) or erin (marketing).
        Not recorded for carol: its sponsor and whoever wrote, pushed or merged it grant no exception; ask dave (marketing) or erin (marketing).
        Not recorded for alice: exceptions from `big` are granted by others; ask dave (marketing) or erin (marketing).
        Not recorded for dave: unknown check `bgi`; did you mean `big`?
        Not recorded for dave: `text` does not deny this proposal; there is nothing to depart from.
        Not recorded for dave: the agent did not ask for an exception from `big`, so it takes your reason; write `/exception CHECK`, then why this proposal should pass it.
        ");
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_whoever_left_the_team_lets_nothing_pass_any_more() {
    story_with(denied(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let comment = world
            .comment("dave", &payment, "/exception big the yearly invoice")
            .await;
        // What the comment becomes later changes nothing that was recorded.
        world
            .person("dave")
            .edit_comment(REPO, comment, "never mind")
            .unwrap();
        world.github.remove_member("acme", "marketing", "dave").unwrap();
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
        world
            .comment("erin", &payment, "/exception big the yearly invoice")
            .await;
        assert_eq!(world.of_kind("exception").len(), 2);
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_a_doubled_comment_grants_once_and_a_second_one_not_at_all() {
    story_with(denied(), async |world| {
        let payment = world.payment().await;
        world
            .github
            .webhook_fault(Some("issue_comment"), DeliveryFault::Duplicate, 1);
        world
            .comment("dave", &payment, "/exception big the yearly invoice")
            .await;
        world.comment("erin", &payment, "/exception big me too").await;
        assert_eq!(world.of_kind("exception").len(), 1);
        let answers = world.answers(&payment);
        assert_eq!(answers.len(), 2, "{answers:#?}");
        assert!(
            answers[1].starts_with("Not recorded for erin: dave has granted"),
            "{}",
            answers[1]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_whoever_let_it_pass_takes_it_back_and_the_gate_shuts() {
    story_with(denied(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world
            .comment("dave", &payment, "/exception big the yearly invoice")
            .await;
        // Nobody else takes it back.
        for login in ["erin", "alice", "carol", "mallory"] {
            world.comment(login, &payment, "/exception big withdraw").await;
        }
        assert!(!world.kinds(&payment).contains(&"withdrawn".to_owned()));
        world
            .comment("dave", &payment, "/exception big withdraw it was another invoice")
            .await;
        let [entry] = world.of_kind("withdrawn").try_into().unwrap();
        assert_eq!(entry["actor"]["person"], "dave");
        assert_eq!(entry["body"]["reason"], "it was another invoice");
        assert_eq!(
            entry["body"]["granted"][0],
            world.of_kind("exception")[0]["body"]["heard"]["comment"]
        );
        let subjects = world.subjects();
        let told = subjects
            .iter()
            .find(|line| line.starts_with("withdrawn: "))
            .unwrap();
        assert!(told.ends_with(", by dave: it was another invoice"), "{told}");
        let answers = world.answers(&payment);
        insta::assert_snapshot!(answers.last().unwrap(), @r"
        Recorded: dave takes back the exception from `big`, because it was another invoice.

        The check fails again, and nothing runs until somebody who may lets it pass anew.
        ");
        assert!(
            answers[1].starts_with("Not recorded for erin: you granted no exception from `big`"),
            "{}",
            answers[1]
        );
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
        world.restart().await;
        world.sweep().await;
        assert_eq!(world.check(&payment).conclusion, "action_required");
        assert_eq!(world.acted(), (0, 0));
        world
            .comment("erin", &payment, "/exception big it is the yearly one after all")
            .await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_an_exception_ages_as_an_approval_does() {
    story_with(denied(), async |world| {
        let payment = world.payment().await;
        world
            .comment("dave", &payment, "/exception big the yearly invoice")
            .await;
        world.both_later(Duration::from_secs(25 * 3_600));
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        let summary = world.check(&payment).summary;
        assert!(
            summary.contains(
                "dave's exception from `big` is too old (it counts for 24 hours); ask dave to grant it again"
            ),
            "{summary}"
        );
        assert_eq!(world.acted(), (0, 0));
        world
            .comment("dave", &payment, "/exception big the yearly invoice")
            .await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}
