//! `countersign policy explain` and `simulate` about a proposal that is on a ledger.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    cli::{Ran, at, run},
    replay::{candidate, checked_out},
    world::{REPO, git, story},
};

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

/// The tree without what differs from run to run: the heading's time and the rules' digest.
fn tree(ran: &Ran) -> String {
    let lines = ran.out.lines().skip(1);
    lines
        .filter(|line| !line.contains("can still be approved"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_proposal_is_explained_on_its_recorded_facts() {
    story(async |world| {
        let paid = world.payment().await;
        world.approve("alice", &paid).await;
        let repo = world.github.git_dir(REPO).unwrap();
        let repo = at(&repo).to_owned();
        let genesis = world.genesis.to_string();
        let explain = |more: &[&str]| {
            let past = [
                "policy",
                "explain",
                &paid.id,
                "--ledger",
                &repo,
                "--genesis",
                &genesis,
            ];
            run(&[&past, more].concat())
        };
        let waiting = explain(&[]);
        assert_eq!((waiting.code, waiting.err.as_str()), (3, ""));
        let heading = waiting.out.lines().next().unwrap();
        let begins = format!("{}  payments.create, as of ", paid.id);
        assert!(heading.starts_with(&begins), "{heading}");
        assert!(heading.contains("by the rules in force ("), "{heading}");
        insta::assert_snapshot!(tree(&waiting), @r"
        waiting, high tier
        ├─ holds   the catalog knows the action, and its agent may propose it
        ├─ holds   every check passed
        ├─ holds   the bot saw what is affected
        ├─ holds   every resource has owners
        ├─ missing approvals by owners, 1 of 2: alice
        │    could: bob (treasury)
        └─ holds   nobody asks for changes
        ");
        // What if bob approved?
        let open = explain(&["--review", "bob=approve", "--json"]);
        assert_eq!((open.code, open.err.as_str()), (0, ""));
        let open = json_of(&open);
        assert_eq!(
            (&open["gate"], &open["approvers"]),
            (&json!("open"), &json!(["alice", "bob"]))
        );
        // Other rules judge the same facts.
        let folder = tempfile::tempdir().unwrap();
        let policies = checked_out(Path::new(&repo), folder.path());
        let strict = candidate(
            &policies,
            folder.path(),
            "tiers.yaml",
            "approvals: 2 ",
            "approvals: 3 ",
        );
        let shut = explain(&["--review", "bob=approve", "--policies", &strict]);
        assert_eq!(shut.code, 3, "{}{}", shut.out, shut.err);
        assert!(shut.out.contains("2 of 3"), "{}", shut.out);
        assert!(
            shut.out.contains(&format!("by the rules in `{strict}`")),
            "{}",
            shut.out
        );
        let past = [
            "policy",
            "simulate",
            &paid.id,
            "--ledger",
            &repo,
            "--candidate",
            &strict,
        ];
        let told = run(&[
            &past[..],
            &["--review", "bob=approve", "--set", "parameters.amount.minor=5"],
        ]
        .concat());
        assert_eq!((told.code, told.err.as_str()), (0, ""));
        insta::assert_snapshot!(tree(&told), @r"
        tier: high, as before
        gate: waiting, as before
        - missing approvals by owners, 1 of 2: alice
        + missing approvals by owners, 2 of 3: alice, bob
        ");
        // Once it has run, it is still explained as it stood.
        world.approve("bob", &paid).await;
        assert_eq!(world.state(&paid).await, "executed");
        let ran = explain(&["--json"]);
        assert_eq!((ran.code, &json_of(&ran)["gate"]), (0, &json!("open")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_that_can_t_be_explained_is_answered_with_the_next_step() {
    story(async |world| {
        let paid = world.payment().await;
        let repo = world.github.git_dir(REPO).unwrap();
        let explain = |id: &str, more: &[&str]| {
            let ran = run(&[&["policy", "explain", id], more].concat());
            assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
            // miette wraps its lines.
            ran.err.replace("\n  │ ", " ").replace("\n        ", " ")
        };
        let known = ["--ledger", at(&repo)];
        let unknown = explain("01M3250VZ8000000000000000Z", &known);
        assert!(
            unknown.contains("proposal 01M3250VZ8000000000000000Z is not on `ledger`"),
            "{unknown}"
        );
        assert!(unknown.contains("countersign audit log"), "{unknown}");
        assert!(explain("payment.yaml", &known).contains("name a proposal by its id"));
        assert!(explain(&paid.id, &[]).contains("--ledger REPO"));
        let elsewhere = ["--ledger", at(&repo), "--branch", "leger"];
        assert!(
            explain(&paid.id, &elsewhere).contains("neither `leger` nor `origin/leger` is a branch here")
        );
        let foreign = format!("sha256:{}", "0".repeat(64));
        let foreign = explain(&paid.id, &["--ledger", at(&repo), "--genesis", &foreign]);
        assert!(foreign.contains("does not begin as a ledger must"), "{foreign}");
        // A clone of the ledger alone has no rules to judge by.
        let folder = tempfile::tempdir().unwrap();
        let clone = folder.path().join("clone");
        git(
            folder.path(),
            &[
                "clone",
                "-q",
                "--single-branch",
                "--branch",
                "ledger",
                at(&repo),
                at(&clone),
            ],
        );
        let bare = explain(&paid.id, &["--ledger", at(&clone)]);
        assert!(bare.contains("holds the rules in force (sha256:"), "{bare}");
        assert!(bare.contains("--policies DIR"), "{bare}");
    })
    .await;
}
