//! `/amend` below a pull request: a person changes a proposal, somebody else approves it. INVARIANT i04, i05, i08.

use countersign::domain::{canonical::canonical, ids::Digest};
use serde_json::{Value, json};

use crate::{
    attacks::forge,
    world::{Opened, REPO, Setup, World, campaign, git, note, payment, story, story_with},
};

/// What took a proposal's place.
pub(crate) async fn next(world: &mut World, old: &Opened) -> Opened {
    let told = world.status(old.agent, &old.id).await;
    let id = told["replaced_by"]
        .as_str()
        .unwrap_or_else(|| panic!("{told:#}"))
        .to_owned();
    let told = world.status(old.agent, &id).await;
    world.both_later(std::time::Duration::from_secs(2));
    Opened {
        pull: told["pull_request"]
            .as_u64()
            .unwrap_or_else(|| panic!("{told:#}")),
        id,
        agent: old.agent,
    }
}

fn body_of(world: &World, of: &Opened) -> String {
    let pull = world.github.pull(REPO, of.pull).unwrap();
    pull["body"].as_str().unwrap().to_owned()
}

/// The lines of the report under a heading.
fn section(body: &str, heading: &str) -> Vec<String> {
    let lines = body.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    lines
        .take_while(|line| !line.starts_with("### "))
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_what_a_person_amends_takes_the_old_ones_place_and_others_approve_it() {
    story(async |world| {
        let old = world.campaign().await;
        let text = "/amend subject=\"Winter news\"\nThe season is over.\n/amend from_name=Ada";
        world.comment("bob", &old, text).await;
        assert_eq!(world.state(&old).await, "superseded");
        let new = next(world, &old).await;
        let pull = world.github.pull(REPO, old.pull).unwrap();
        assert_eq!((&pull["state"], &pull["merged"]), (&json!("closed"), &json!(false)));

        // One push: nobody comes in between, and the ledger says who did it.
        let entries = world.entries();
        let ended = entries.iter().position(|entry| entry["kind"] == "superseded").unwrap();
        let received = &entries[ended + 1];
        assert_eq!((&entries[ended]["body"]["by"], &received["proposal"]), (&json!(new.id), &json!(new.id)));
        for entry in [&entries[ended], received] {
            assert_eq!(entry["actor"]["person"], "bob");
        }
        let proof = &received["body"]["proposal"]["proof"]["corrected"];
        assert!(proof["asked"]["ed25519"]["signature"].is_string(), "{proof:#}");
        assert_eq!(proof["corrections"][0]["from"], json!(old.id));
        assert_eq!(
            proof["corrections"][0]["changes"],
            json!([
                { "item": "1", "at": "/subject", "before": "Autumn news", "now": "Winter news" },
                { "item": "1", "at": "/from_name", "now": "Ada" },
            ])
        );
        assert!(received["body"]["via"]["comment"]["delivery"].is_string());
        let subject = world.subjects().into_iter().find(|line| line.contains("amended by")).unwrap();
        assert!(subject.ends_with("from campaign-agent, medium tier, amended by bob"), "{subject}");

        // Whoever reads it sees at once what is new, and that the agent did not ask for it.
        let body = body_of(world, &new);
        assert_eq!(
            section(&body, "### What is new since"),
            [
                "**Amended by bob, gate-attested**: the agent did not ask for this itself.",
                "| Parameter | Before | Now |",
                "|---|---|---|",
                "| `from_name` | `Acme` | `Ada` |",
                "| `subject` | `Autumn news` | `Winter news` |",
            ]
        );
        let origin = section(&body, "### Where it comes from");
        assert!(
            origin.iter().any(|line| line.starts_with(
                "- Proof: **amended by bob, gate-attested**: nobody can check again who wrote that; what the agent had asked for: signed by the agent, key "
            )),
            "{origin:#?}"
        );
        assert!(body.contains("bob (amended it)"), "{body}");
        let commit = git(
            &world.github.git_dir(REPO).unwrap(),
            &["log", "-1", "--format=%B", &format!("countersign/{}", new.id)],
        );
        assert!(commit.contains("Proposed by campaign-agent for erin, amended by bob (gate-attested)."), "{commit}");
        assert!(commit.contains("\nAmended-By: bob\n"), "{commit}");
        let answers = world.answers(&old);
        assert!(
            answers[0].starts_with("Recorded: bob amends `subject`, `from_name`.")
                && answers[0].contains(&new.id)
                && answers[0].contains(&format!("#{}", new.pull)),
            "{answers:#?}"
        );

        // Whoever comes too late is told where it goes on.
        world.comment("dave", &old, "/amend subject=News").await;
        world.comment("dave", &old, "thanks").await;
        let late = world.answers(&old);
        let told = late.iter().find(|answer| answer.starts_with("Not recorded for dave"));
        assert!(
            told.is_some_and(|told| told.contains(&format!("write it in pull request {}", new.pull))),
            "{late:#?}"
        );
        assert_eq!(world.of_kind("received").len(), 2);

        // The agent is told, and nobody else.
        let told = world.status(old.agent, &old.id).await;
        assert_eq!((&told["replaced_by"], &told["amended_by"]), (&json!(new.id), &json!("bob")));
        let told = world.status(old.agent, &new.id).await;
        assert_eq!((&told["state"], &told["amended_by"]), (&json!("open"), &json!("bob")));
        let strangers = world.status("payments-agent", &new.id).await;
        assert_eq!(strangers["status"], 404, "{strangers:#}");

        world.approve("dave", &new).await;
        assert_eq!((world.state(&new).await.as_str(), world.acted()), ("executed", (0, 1)));
        let sent = world.targets.crm().effects().remove(0);
        assert!(sent.what.contains("Winter news"), "{sent:?}");
        let merged = git(&world.github.git_dir(REPO).unwrap(), &["log", "-1", "--format=%B", "main"]);
        assert!(merged.contains("\nAmended-By: bob\nApproved-By: dave\n"), "{merged}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_who_amends_approves_neither_that_nor_what_the_agent_makes_of_it() {
    story(async |world| {
        let old = world.payment().await;
        world.comment("alice", &old, "/amend amount.minor=900000").await;
        let new = next(world, &old).await;
        world.approve("alice", &new).await;
        world.approve("bob", &new).await;
        assert_eq!(
            (world.state(&new).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        let check = world.check(&new);
        assert!(check.title.starts_with("Waiting: 1 of 2"), "{check:?}");
        assert!(
            check
                .summary
                .contains("alice's approval: whoever amended it, or what it descends from, never approves"),
            "{}",
            check.summary
        );

        let mut again = payment();
        again["supersedes"] = json!(new.id);
        let third = world.open(old.agent, again).await;
        let body = body_of(world, &third);
        assert!(
            body.contains("alice (amended it)") && !body.contains("Amended by"),
            "{body}"
        );
        world.approve("alice", &third).await;
        world.approve("bob", &third).await;
        assert_eq!(
            (world.state(&third).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        // Nor after the bot has forgotten everything but Git.
        world.restart().await;
        world.sweep().await;
        assert_eq!(
            (world.state(&third).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_sealed_values_pass_on_unread_and_the_executor_checks_what_the_agent_signed() {
    story(async |world| {
        let old = world.payment().await;
        world.approve("alice", &old).await;
        world.comment("dave", &old, "/amend amount.minor=900000").await;
        let new = next(world, &old).await;
        let lines = section(&body_of(world, &new), "### What is new since");
        assert_eq!(lines.last().unwrap(), "Sealed, and the same as before: `iban`.");
        // A second change on top of the first, by somebody else.
        world
            .comment("erin", &new, "/amend reference=INV-2026-118-b")
            .await;
        let third = next(world, &new).await;
        world.approve("alice", &third).await;
        world.approve("bob", &third).await;
        assert_eq!(
            (world.state(&third).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
        // The bank refuses an account that is not the supplier's.
        let paid = world.targets.bank().effects().remove(0).what;
        assert!(
            paid.contains("9,000.00 EUR") && paid.contains("INV-2026-118-b"),
            "{paid}"
        );
        let everything = git(
            &world.github.git_dir(REPO).unwrap(),
            &["log", "--all", "-p", "--format=%B"],
        );
        assert!(!everything.contains("DE89370400440532013000"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_amendments_are_answered_and_change_nothing() {
    story(async |world| {
        let payment = world.payment().await;
        for (login, text) in [
            ("mallory", "/amend amount.minor=1"),
            ("dave", "/amend"),
            ("dave", "/amend amount.minor=all"),
            ("dave", "/amend amount.minor=9e99"),
            ("dave", "/amend reference=paid twice"),
            ("dave", "/amend referense=x"),
            ("dave", "/amend supplier_id=globex"),
            ("dave", "/amend iban=DE02120300000000202051"),
            (
                "dave",
                "/amend amount.currency=USD\n/amend reference=\"AKIAIOSFODNN7EXAMPLE\"",
            ),
            ("dave", "/amend reference=x\n/exclude 1 y"),
            ("dave", "thanks\n/amend reference=x"),
        ] {
            world.comment(login, &payment, text).await;
            assert_eq!(world.of_kind("received").len(), 1, "{login}: {text}");
            assert_eq!(world.state(&payment).await, "open", "{login}: {text}");
        }
        insta::assert_snapshot!(world.answers(&payment).concat(), @r#"
        Not recorded for dave: write a line for each change, `/amend amount.minor=900000` or `/amend reference="two words"`.
        Not recorded for dave: `amount.minor`: the value is not of type `integer`.
        Not recorded for dave: `amount.minor`: `/amount/minor` is a float; write whole numbers, money in minor units (`1250000` for 12,500.00).
        Not recorded for dave: the value of `reference` holds blanks; write it in quotes, as in `reference="two words"`.
        Not recorded for dave: `referense`: unknown parameter `referense`; did you mean `reference`?
        Not recorded for dave: `supplier_id` names what is acted on, and on something else it is another matter; ask the agent to propose that.
        Not recorded for dave: `iban` is sealed, and your comment shows what it says; delete the comment and ask the agent to revise.
        Not recorded for dave: `reference`: holds an AWS access key; send no secrets; name where the secret is kept instead, and replace this one if it was real.
        Not recorded for dave: one comment holds one kind of command; write a line for each change, `/amend amount.minor=900000` or `/amend reference="two words"`.
        "#);
        // The old one is as good as before.
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
        world.comment("dave", &payment, "/amend amount.minor=1").await;
        assert_eq!(world.of_kind("received").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_somebody_who_may_not_write_amends_nothing() {
    story(async |world| {
        let payment = world.payment().await;
        world
            .github
            .set_team_permission(REPO, "marketing", countersign::sandbox::Permission::Read)
            .unwrap();
        world.comment("dave", &payment, "/amend amount.minor=1").await;
        assert_eq!(world.of_kind("received").len(), 1);
        let answers = world.answers(&payment).concat();
        assert!(
            answers.contains("by people who may write to the repository; request changes instead"),
            "{answers}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_an_agent_can_not_send_a_persons_word_through_the_door() {
    story(async |world| {
        let old = world.campaign().await;
        let asked = world.request(old.agent, campaign());
        let proof = json!({ "corrected": {
            "asked": { "gate_attested": { "by": "hmac" } }, "nonce": "0123456789abcdef",
            "corrections": [{ "from": old.id, "by": "bob", "account": 1002, "comment": 1, "changes": [] }],
        } });
        for (field, value) in [
            ("proof", proof.clone()),
            ("corrected", proof),
            ("via", json!("comment")),
        ] {
            let mut forged = asked.clone();
            forged[field] = value;
            let before = world.still().await;
            let (status, answer) = world
                .send(
                    old.agent,
                    "POST",
                    "/api/v1/proposals",
                    "application/json",
                    forged.to_string().as_bytes(),
                )
                .await;
            assert_eq!(status, 400, "{answer:#}");
            world.settle().await;
            assert_eq!(world.still().await, before);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_what_would_be_low_waits_for_somebody_else_once_it_is_amended() {
    let setup = Setup {
        edits: vec![(
            "catalog.yaml",
            "    describe: \"Note on customer {{ params.customer_id }}\"",
            "    describe: \"Note on customer {{ params.customer_id }}\"\n    escalate: [{ when: \"params.text == 'urgent'\", to: medium, because: \"urgent\" }]",
        )],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let mut urgent = note();
        urgent["parameters"]["text"] = json!("urgent");
        let old = world.open("support-agent", urgent).await;
        world.comment("bob", &old, "/amend text=\"Called back.\"").await;
        let new = next(world, &old).await;
        let told = world.status(new.agent, &new.id).await;
        assert_eq!(
            (&told["tier"], &told["state"]),
            (&json!("medium"), &json!("open"))
        );
        assert_eq!(world.acted(), (0, 0));
        assert!(
            body_of(world, &new).contains("Why medium: a person amended it"),
            "{}",
            body_of(world, &new)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_i20_an_amendment_moves_the_reservation_and_what_was_excluded_stays_out() {
    let setup = Setup {
        edits: vec![(
            "catalog.yaml",
            "    sensitive: [params.iban]",
            "    sensitive: [params.iban]\n    limits: [{ rate: 3, per: 1d, by: [agent] }]",
        )],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let mut body = payment();
        let one = body["parameters"].take();
        body.as_object_mut().unwrap().remove("parameters");
        body["items"] = ["acme-ltd", "globex", "initech"]
            .iter()
            .zip(1..)
            .map(|(supplier, n)| {
                let mut parameters = one.clone();
                parameters["supplier_id"] = json!(supplier);
                parameters.as_object_mut().unwrap().remove("iban");
                json!({ "id": n.to_string(), "parameters": parameters })
            })
            .collect::<Value>();
        let old = world.open("payments-agent", body).await;
        world.comment("alice", &old, "/exclude 2 paid last week").await;
        world.comment("dave", &old, "/amend amount.minor=5").await;
        world.comment("dave", &old, "/amend 2:amount.minor=5").await;
        assert_eq!(world.of_kind("received").len(), 1, "{:#?}", world.answers(&old));
        world.comment("dave", &old, "/amend 3:amount.minor=5").await;
        let new = next(world, &old).await;
        assert!(
            world.check(&new).summary.contains("2 of 3 run"),
            "{}",
            world.check(&new).summary
        );
        let (status, _) = world.propose("payments-agent", payment()).await;
        assert_eq!(status, 429, "the new one holds the place");
        world.approve("alice", &new).await;
        world.approve("bob", &new).await;
        assert_eq!(
            (world.state(&new).await.as_str(), world.acted()),
            ("executed", (2, 0))
        );
        let keys: Vec<String> = world
            .targets
            .bank()
            .effects()
            .into_iter()
            .map(|effect| effect.key)
            .collect();
        assert!(keys.iter().all(|key| !key.ends_with("/2")), "{keys:?}");
    })
    .await;
}

/// Makes an entry the next one of the ledger, signed with the gate's key.
fn forge_next(world: &World, mut entry: Value, subject: &str) {
    let newest = world.entries().pop().unwrap();
    entry["seq"] = json!(newest["seq"].as_u64().unwrap() + 1);
    entry["previous"] = json!(Digest::of(&canonical(&newest).unwrap()));
    entry["time"] = newest["time"].clone();
    forge(world, "gate", &entry, subject);
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_of_forged_amendments_only_what_the_changes_give_is_no_finding() {
    story(async |world| {
        let first = world.campaign().await;
        let other = world.campaign().await;
        world
            .comment("bob", &first, "/amend subject=\"Winter news\"")
            .await;
        let amended = next(world, &first).await;
        let ended = world.about(&first).pop().unwrap();
        let mut entry = world.about(&amended).remove(0);
        let about = world.about(&other);
        let opened = about.iter().find(|entry| entry["kind"] == "opened").unwrap();
        let asked = &about[0]["body"]["proposal"];
        // Bob's word about the first one, passed off as being about the other, by the gate's own key.
        let id = "01JD3W8V3M4N5P6Q7R8S9T0V1W";
        entry["proposal"] = json!(id);
        entry["body"]["via"]["comment"]["head"] = opened["body"]["head"].clone();
        let proposal = &mut entry["body"]["proposal"];
        proposal["id"] = json!(id);
        proposal["nonce"] = json!("amended-forged-0123456789");
        proposal["idempotency_key"] = json!("amended-forged-0123456789");
        proposal["supersedes"] = json!(other.id);
        let proof = &mut proposal["proof"]["corrected"];
        proof["corrections"][0]["from"] = json!(other.id);
        proof["nonce"] = asked["nonce"].clone();
        proof["asked"] = asked["proof"].clone();
        let summary = "E-mail \"Winter news\" to segment spring-customers";
        let received = format!("received: {summary}, from campaign-agent, medium tier, amended by bob");

        let mut superseded = ended;
        superseded["proposal"] = json!(other.id);
        superseded["body"]["by"] = json!(id);
        superseded["digests"] = about[0]["digests"].clone();
        let was = "E-mail \"Autumn news\" to segment spring-customers";
        forge_next(world, superseded, &format!("superseded: {was}, by {id}"));
        world.sweep().await;
        assert_eq!(world.state(&other).await, "superseded");

        let mut more = entry.clone();
        let binding = &mut more["body"]["proposal"]["binding"];
        binding["items"][0]["parameters"]["body"] = json!("Send us your passwords.");
        more["digests"]["action"] = json!(Digest::of(&canonical(binding).unwrap()));
        forge_next(world, more, &received);
        world.findings = 1;
        world.sweep().await;
        assert_eq!(world.status(other.agent, id).await["status"], 404);

        // What only the gate attests, its key can say. Others approve it all the same, and bob does not.
        let newest = world.entries();
        let head = newest
            .iter()
            .rev()
            .find(|entry| entry["proposal"] != json!(id))
            .unwrap();
        entry["seq"] = json!(head["seq"].as_u64().unwrap() + 1);
        entry["previous"] = json!(Digest::of(&canonical(head).unwrap()));
        entry["time"] = head["time"].clone();
        forge(world, "gate", &entry, &received);
        world.sweep().await;
        let told = world.status(other.agent, id).await;
        assert_eq!(
            (&told["state"], &told["amended_by"]),
            (&json!("open"), &json!("bob"))
        );
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}
