//! `/rollback` has what ran taken back by a proposal of its own: a person asks, others approve. INVARIANT i04, i08, i14.

use std::time::Duration;

use countersign::domain::{canonical::canonical, ids::Digest};
use serde_json::{Value, json};

use crate::{
    attacks::forge,
    policy_changes::{change, merged},
    world::{Opened, REPO, Setup, World, git, merge_commit, note, payment, story_with},
};

/// A payment is called back by paying it again, under its key: the demo's bank can nothing else.
const RECALL: &str = r#"actions:
  payments.recall:
    summary: Call a payment back
    system: bank
    resource: /payments/suppliers/{supplier_id}
    impact: moderate
    data: [financial]
    rollback: { kind: inverse }
    raci: { responsible: payments-agent, accountable: finance }
    params:
      type: object
      required: [payment, supplier_id, amount]
      properties:
        payment: { type: string, maxLength: 140 }
        supplier_id: { type: string, maxLength: 64 }
        amount: { type: object, required: [minor, currency], properties: { minor: { type: integer }, currency: { type: string } } }
        why: { type: string, default: recalled }
        iban: { type: string }
    describe: "Recall {{ params.amount | money }} from {{ params.supplier_id }}"
    sensitive: [params.iban]
    observe:
      http:
        method: GET
        url: https://bank.example/suppliers/{supplier_id}/preview?minor=1&currency=EUR
        allow_private: true
        before: /before
    execute:
      http:
        method: POST
        url: https://bank.example/payments
        allow_private: true
        idempotency_header: Idempotency-Key
        body:
          supplier: ${params.supplier_id}
          amount: ${params.amount}
          reference: ${params.payment}
          iban: ${params.iban}
"#;
const WITH: &str = r#"rollback:
      kind: inverse
      action: payments.recall
      within: 30d
      with: { payment: "${run.key}", supplier_id: "${params.supplier_id}", amount: "${params.amount}", iban: "${params.iban}" }"#;

pub(crate) fn recalling() -> Setup {
    Setup {
        edits: vec![
            ("catalog.yaml", "rollback: { kind: inverse, within: 30d }", WITH),
            ("catalog.yaml", "actions:\n", RECALL),
        ],
        ..Setup::default()
    }
}

/// A payment that ran.
async fn paid(world: &mut World) -> Opened {
    let payment = world.payment().await;
    for login in ["alice", "bob"] {
        world.approve(login, &payment).await;
    }
    assert_eq!(world.state(&payment).await, "executed");
    payment
}

/// Payments of 1, 2 and 3 EUR to three suppliers, all to one account where there is one.
fn batch(iban: Option<&str>) -> Value {
    let mut body = payment();
    let one = body["parameters"].take();
    body.as_object_mut().unwrap().remove("parameters");
    let item = |(supplier, n): (&str, i64)| {
        let mut parameters = one.clone();
        parameters["supplier_id"] = json!(supplier);
        parameters["amount"]["minor"] = json!(n * 100);
        match iban {
            Some(iban) => parameters["iban"] = json!(iban),
            None => drop(parameters.as_object_mut().unwrap().remove("iban")),
        }
        json!({ "id": n.to_string(), "parameters": parameters })
    };
    let suppliers = ["acme-ltd", "globex", "initech"].into_iter().zip(1..);
    body["items"] = suppliers.map(item).collect();
    body
}

/// What takes a proposal back.
pub(crate) async fn undo(world: &mut World, old: &Opened) -> Opened {
    let told = world.status(old.agent, &old.id).await;
    let undo = &told["rolled_back"];
    let by = undo["by"].as_str().unwrap_or_else(|| panic!("{told:#}"));
    let undo = Opened {
        id: by.to_owned(),
        pull: undo["pull"].as_u64().unwrap_or_else(|| panic!("{told:#}")),
        agent: old.agent,
    };
    world.both_later(Duration::from_secs(2));
    undo
}

fn outcome(world: &World, of: &Opened) -> String {
    let answers = world.answers(of);
    let outcome = answers.into_iter().find(|text| text.starts_with("### "));
    outcome.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_what_ran_is_taken_back_by_a_proposal_that_others_approve() {
    story_with(recalling(), async |world| {
        let old = paid(world).await;
        let shown = outcome(world, &old);
        assert!(
            shown.contains("To take it back, comment `/rollback` and why below, until ")
                && shown.contains("that makes a proposal of `payments.recall`"),
            "{shown}"
        );
        world.comment("alice", &old, "/rollback it was paid twice").await;
        let new = undo(world, &old).await;
        let answers = world.answers(&old);
        let said = answers
            .iter()
            .find(|text| text.starts_with("Recorded: "))
            .unwrap();
        assert!(
            said.contains(&format!(
                "alice asks to take back proposal `{}`, because it was paid twice.",
                old.id
            )) && said.contains(&format!("`{}` does, in #{}", new.id, new.pull))
                && said.contains("alice asked for it and approves nothing of it"),
            "{said}"
        );
        let told = world.status(new.agent, &new.id).await;
        assert_eq!(
            (&told["state"], &told["tier"], &told["rolls_back"], &told["operation"]),
            (
                &json!("open"),
                &json!("medium"),
                &json!(old.id),
                &json!("payments.recall")
            )
        );
        let body = world.github.pull(REPO, new.pull).unwrap()["body"]
            .as_str()
            .unwrap()
            .to_owned();
        for part in [
            &format!("**Rolls back** #{}, proposal `{}`, which had run by ", old.pull, old.id),
            "as alice asks, gate-attested: the agent did not ask for this itself.",
            "Proof: **asked for by alice, gate-attested**",
            "### What alice says",
            "it was paid twice",
            "alice (asked for it)",
            &format!("| `payment` | `{}/1` |", old.id),
        ] {
            assert!(body.contains(part), "no `{part}` in {body}");
        }
        assert!(outcome(world, &old).contains(&format!("To be **rolled back** by #{}", new.pull)));

        // Whoever asked approves nothing of it, the sponsor neither.
        for login in ["alice", "carol", "carol-oncall"] {
            world.approve(login, &new).await;
            assert_eq!(
                (world.state(&new).await.as_str(), world.acted()),
                ("open", (1, 0)),
                "{login}"
            );
        }
        assert!(
            world
                .check(&new)
                .summary
                .contains("alice's approval: whoever asked for it never approves"),
            "{}",
            world.check(&new).summary
        );
        world.approve("bob", &new).await;
        assert_eq!(
            (world.state(&new).await.as_str(), world.acted()),
            ("executed", (2, 0))
        );
        // The bank refuses an account that is not the supplier's.
        let what = world.targets.bank().effects().pop().unwrap().what;
        assert_eq!(what, format!("12,500.00 EUR paid to ACME Ltd, {}/1", old.id));
        world.settle().await;
        let shown = outcome(world, &old);
        assert!(
            shown.contains(&format!("**Rolled back** by #{}, proposal `{}`, which is executed.", new.pull, new.id))
                && !shown.contains("To take it back"),
            "{shown}"
        );
        assert!(outcome(world, &new).contains(&format!("It takes back proposal `{}`", old.id)));
        let told = world.status(old.agent, &old.id).await;
        assert_eq!(
            (&told["state"], &told["rolled_back"]["life"]),
            (&json!("executed"), &json!("executed"))
        );
        let dir = world.github.git_dir(REPO).unwrap();
        let everything = git(&dir, &["log", "--all", "-p", "--format=%B"]);
        assert!(!everything.contains("DE89370400440532013000"));
        assert!(everything.contains(&format!("\nRolls-Back: {}\nRequested-By: alice\n", old.id)));
        let subject = world.subjects().into_iter().find(|line| line.contains("takes "));
        assert_eq!(
            subject.unwrap(),
            format!(
                "received: Recall 12,500.00 EUR from acme-ltd, from payments-agent, medium tier, takes {} back for alice",
                old.id
            )
        );
        // Once is enough.
        world.comment("dave", &old, "/rollback again").await;
        let last = world.answers(&old).pop().unwrap();
        assert!(
            last.contains(&format!("`{}` takes it back and is executed; nothing more is needed", new.id)),
            "{last}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rollbacks_are_answered_and_propose_nothing() {
    let setup = Setup {
        agent_accounts: true,
        ..recalling()
    };
    story_with(setup, async |world| {
        let open = world.payment().await;
        world.comment("dave", &open, "/rollback too early").await;
        let old = paid(world).await;
        let (status, low) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201, "{low:#}");
        world.settle().await;
        let low = low["id"].as_str().unwrap();
        for (login, text) in [
            ("mallory", "/rollback because".to_owned()),
            ("payments-agent[bot]", "/rollback because".to_owned()),
            ("dave", "/rollback".to_owned()),
            ("dave", "please /rollback it".to_owned()),
            ("dave", "/rollback 01ARZ3NDEKTSV4RRFFQ69G5FAV because".to_owned()),
            ("dave", format!("/rollback {low} because")),
            ("dave", "/rollback AKIAIOSFODNN7EXAMPLE".to_owned()),
        ] {
            world.comment(login, &old, &text).await;
            assert_eq!(world.of_kind("received").len(), 3, "{login}: {text}");
        }
        world
            .github
            .set_team_permission(REPO, "marketing", countersign::sandbox::Permission::Read)
            .unwrap();
        world.comment("dave", &old, "/rollback because").await;
        world.both_later(Duration::from_secs(30 * 86_400 + 60));
        world.comment("alice", &old, "/rollback too late").await;
        assert_eq!(world.of_kind("received").len(), 3);
        let answers = [world.answers(&open), world.answers(&old)].concat();
        let told: String = answers
            .into_iter()
            .filter(|text| text.starts_with("Not recorded"))
            .collect::<String>()
            .replace(low, "LOW")
            .replace(&open.id, "OPEN");
        let (told, until) = told.split_once("it could be taken back until").unwrap();
        assert!(until.contains("ask its agent to propose that"), "{until}");
        insta::assert_snapshot!(told, @r"
        Not recorded for dave: proposal `OPEN` is open; only what ran is taken back.
        Not recorded for dave: it takes your reason; write `/rollback`, then why; for a proposal without a pull request, its id in front of the reason.
        Not recorded for dave: proposal `01ARZ3NDEKTSV4RRFFQ69G5FAV` is not on this ledger; check the id, or write it again in a while if it ran just now.
        Not recorded for dave: the catalog does not say with what `crm.note` is taken back; add `with` to its `rollback`, or ask its agent to propose that.
        Not recorded for dave: holds an AWS access key; send no secrets; name where the secret is kept instead, and replace this one if it was real.
        Not recorded for dave: a rollback is asked for by people who may write to the repository; ask one of them.
        Not recorded for alice:
        ");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_taken_back_item_by_item_those_that_ran() {
    story_with(recalling(), async |world| {
        let old = world.open("payments-agent", batch(None)).await;
        world.comment("alice", &old, "/exclude 2 paid last week").await;
        for login in ["alice", "bob"] {
            world.approve(login, &old).await;
        }
        assert_eq!(world.acted(), (2, 0));
        // From below another's pull request, and after the bot has forgotten everything but Git.
        let other = world.payment().await;
        world.restart().await;
        world
            .comment("dave", &other, &format!("/rollback {} both were wrong", old.id))
            .await;
        let new = undo(world, &old).await;
        world.approve("alice", &new).await;
        assert_eq!(
            (world.state(&new).await.as_str(), world.acted()),
            ("executed", (4, 0))
        );
        let effects = world.targets.bank().effects();
        let whats: Vec<&str> = effects
            .iter()
            .skip(2)
            .map(|effect| effect.what.as_str())
            .collect();
        assert_eq!(
            whats,
            [
                format!("1.00 EUR paid to ACME Ltd, {}/1", old.id),
                format!("3.00 EUR paid to Initech Software, {}/3", old.id),
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_that_stopped_half_way_only_what_ran_is_taken_back() {
    story_with(recalling(), async |world| {
        // The account is ACME's: the bank does not pay it to others.
        let body = batch(Some("DE89370400440532013000"));
        let old = world.open("payments-agent", body).await;
        for login in ["alice", "bob"] {
            world.approve(login, &old).await;
        }
        assert_eq!(
            (world.state(&old).await.as_str(), world.acted()),
            ("partial", (1, 0))
        );
        world.restart().await;
        world.comment("dave", &old, "/rollback all or nothing").await;
        let new = undo(world, &old).await;
        let entry = world.about(&new).remove(0);
        let items = &entry["body"]["proposal"]["binding"]["items"];
        assert_eq!(
            (items.as_array().unwrap().len(), &items[0]["id"]),
            (1, &json!("1"))
        );
        world.approve("alice", &new).await;
        assert_eq!(
            (world.state(&new).await.as_str(), world.acted()),
            ("executed", (2, 0))
        );
        let what = world.targets.bank().effects().pop().unwrap().what;
        assert_eq!(what, format!("1.00 EUR paid to ACME Ltd, {}/1", old.id));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_what_is_taken_back_is_taken_back_by_the_rules_in_force_then() {
    story_with(recalling(), async |world| {
        let old = paid(world).await;
        world.comment("dave", &old, "/rollback paid twice").await;
        let before = undo(world, &old).await;
        let shown = |world: &World, of: &Opened| {
            let pull = world.github.pull(REPO, of.pull).unwrap();
            pull["body"].as_str().unwrap().to_owned()
        };
        let body = shown(world, &before);
        assert!(
            body.contains("recalled") && !body.contains("sent in error"),
            "{body}"
        );
        let with = r#"with: { payment: "${run.key}", "#;
        let why = r#"with: { payment: "${run.key}", why: sent in error, "#;
        let rules = change(world, "rules", "policies/catalog.yaml", (with, why)).await;
        for login in ["alice", "bob"] {
            world.approve(login, &rules).await;
        }
        assert!(merged(world, &rules), "{}", world.check(&rules).summary);
        // Nobody approves by rules that are gone.
        assert_eq!(world.state(&before).await, "voided");
        world.comment("dave", &old, "/rollback paid twice").await;
        let now = undo(world, &old).await;
        assert_ne!(now.id, before.id);
        let body = shown(world, &now);
        assert!(body.contains("sent in error"), "{body}");
        world.approve("alice", &now).await;
        assert_eq!(
            (world.state(&now).await.as_str(), world.acted()),
            ("executed", (2, 0))
        );
        let started = world.about(&now);
        let started = started.iter().find(|entry| entry["kind"] == "received").unwrap();
        assert_eq!(
            started["body"]["proposal"]["binding"]["items"][0]["parameters"]["why"],
            "sent in error"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_came_to_nothing_may_be_asked_for_again_and_nobody_changes_it() {
    story_with(recalling(), async |world| {
        let old = paid(world).await;
        world.comment("dave", &old, "/rollback paid twice").await;
        let first = undo(world, &old).await;
        world.comment("erin", &old, "/rollback me too").await;
        world.comment("erin", &first, "/amend amount.minor=5").await;
        let mut revised = payment();
        revised["supersedes"] = json!(first.id);
        let (status, answer) = world.propose("payments-agent", revised).await;
        assert_eq!(status, 422, "{answer:#}");
        assert!(
            answer
                .to_string()
                .contains("takes something back as a person asked"),
            "{answer:#}"
        );
        assert_eq!(world.of_kind("received").len(), 2);
        let told = world.answers(&old).pop().unwrap();
        assert!(
            told.contains(&format!(
                "`{}` takes it back and is open; close its pull request first, to ask anew",
                first.id
            )),
            "{told}"
        );
        let told = world.answers(&first).concat();
        assert!(
            told.contains("what takes something back is as the catalog says"),
            "{told}"
        );
        world.person("bob").close(REPO, first.pull).unwrap();
        world.settle().await;
        assert_eq!(world.state(&first).await, "denied");
        assert!(outcome(world, &old).contains("**Not rolled back**: it was to be, by"));
        world.comment("erin", &old, "/rollback me too").await;
        let second = undo(world, &old).await;
        assert_ne!(second.id, first.id);
        world.approve("alice", &second).await;
        assert_eq!(
            (world.state(&second).await.as_str(), world.acted()),
            ("executed", (2, 0))
        );
    })
    .await;
}

/// Makes an entry the next one of the ledger, signed with the gate's key.
fn forge_next(world: &World, entry: &mut Value, subject: &str) {
    let entries = world.entries();
    let newest = entries
        .iter()
        .rev()
        .find(|newest| newest["proposal"] != entry["proposal"])
        .unwrap();
    entry["seq"] = json!(newest["seq"].as_u64().unwrap() + 1);
    entry["previous"] = json!(Digest::of(&canonical(newest).unwrap()));
    entry["time"] = newest["time"].clone();
    forge(world, "gate", entry, subject);
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_the_executor_runs_no_rollback_that_is_not_what_the_catalog_makes_of_what_ran() {
    story_with(recalling(), async |world| {
        let old = paid(world).await;
        world.comment("dave", &old, "/rollback paid twice").await;
        let first = undo(world, &old).await;
        let mut entry = world.about(&first).remove(0);
        world.person("bob").close(REPO, first.pull).unwrap();
        world.settle().await;
        // Dave's word, passed off by the gate's own key as being about more money.
        let id = "01JD3W8V3M4N5P6Q7R8S9T0V1W";
        entry["proposal"] = json!(id);
        let proposal = &mut entry["body"]["proposal"];
        proposal["id"] = json!(id);
        proposal["nonce"] = json!("rollback-forged-0123456789");
        proposal["idempotency_key"] = json!("rollback-forged-0123456789");
        // What it seals is bound to its id: without, it is what the catalog makes of a payment that had none.
        proposal.as_object_mut().unwrap().remove("sealed");
        let binding = &mut proposal["binding"];
        let parameters = &mut binding["items"][0]["parameters"];
        parameters.as_object_mut().unwrap().remove("iban");
        parameters["amount"]["minor"] = json!(2_000_000);
        entry["digests"]["action"] = json!(Digest::of(&canonical(binding).unwrap()));
        let subject = format!(
            "received: Recall 12,500.00 EUR from acme-ltd, from payments-agent, medium tier, takes {} back for dave",
            old.id
        );
        // Of something that never ran it is no entry at all.
        let mut other = entry.clone();
        other["body"]["proposal"]["proof"]["rolled_back"]["binding"]["items"][0]["parameters"]["amount"]
            ["minor"] = json!(2_000_000);
        forge_next(world, &mut other, &subject);
        world.findings = 1;
        world.sweep().await;
        assert_eq!(world.status(old.agent, id).await["status"], 404);

        forge_next(world, &mut entry, &subject);
        world.sweep().await;
        let forged = undo(world, &old).await;
        assert_eq!(forged.id, id);
        world.approve("alice", &forged).await;
        // The gate looks as the executor would, and does not merge it.
        assert_eq!(
            (world.state(&forged).await.as_str(), world.acted()),
            ("open", (1, 0))
        );
        world
            .person("bob")
            .merge(REPO, forged.pull, merge_commit())
            .unwrap();
        world.settle().await;
        assert_eq!(
            (world.state(&forged).await.as_str(), world.acted()),
            ("refused", (1, 0))
        );
        let told = world.status(forged.agent, id).await;
        assert!(
            told["steps"][0]["note"]
                .as_str()
                .is_some_and(|note| note.contains("what an item is given is not what takes it back")),
            "{told:#}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_asks_for_a_rollback_in_a_person_s_name() {
    story_with(recalling(), async |world| {
        let old = paid(world).await;
        let ask = |args: &[&str]| {
            let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("countersign"));
            command
                .env_clear()
                .env("GH_TOKEN", world.github.user_token("dave").unwrap())
                .args(["rollback", &old.id])
                .args(args)
                .args(["--repo", REPO, "--api-url", &world.github.api_url()]);
            let output = tokio::task::block_in_place(|| command.output().unwrap());
            let said = [output.stdout, output.stderr].concat();
            (output.status.code().unwrap(), String::from_utf8(said).unwrap())
        };
        assert_eq!(ask(&[]).0, 2);
        let (code, said) = ask(&["--reason", "paid twice", "--json"]);
        assert_eq!(code, 0, "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (&said["recorded"], &said["pull_request"]),
            (&json!(true), &json!(old.pull))
        );
        let (code, said) = ask(&["--reason", "paid twice"]);
        assert!(
            code == 3 && said.contains("takes it back and is open"),
            "{code} {said}"
        );
        world.settle().await;
    })
    .await;
}
