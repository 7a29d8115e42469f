//! Erasure: who may ask for it, what is gone afterwards, and that the record stays whole. INVARIANT i29.

use std::{path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use countersign::domain::{canonical::canonical, ids::Digest, sealed::DataKey};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};

use crate::{
    attacks::{Heard, every_object, forge},
    callback::Listener,
    cli::{countersign, run},
    postgres::cluster,
    vault::{Mood, SECRET, Vault, jot, keep, leaked},
    world::{Opened, REPO, Setup, World, figures, note, story_with},
};

async fn result(world: &World, of: &Opened) -> (u16, Value) {
    let path = format!("/api/v1/proposals/{}/result", of.id);
    world.send(of.agent, "GET", &path, "application/json", b"").await
}

/// A value that was kept, and whose target answered with it.
async fn kept(world: &mut World) -> Opened {
    let kept = world.open("payments-agent", keep()).await;
    world.approve("bob", &kept).await;
    assert_eq!(world.state(&kept).await, "executed");
    kept
}

async fn key(world: &World, of: &Opened) -> Option<DataKey> {
    world
        .bot
        .store()
        .keys()
        .get(of.id.parse().unwrap())
        .await
        .unwrap()
}

async fn with_vault(tell: impl AsyncFnOnce(&mut World)) {
    let vault = Vault::start().await;
    story_with(vault.setup(), tell).await;
}

/// Every file of a directory that holds one of these texts.
fn holding(directory: &Path, texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, texts));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let holds = |text: &String| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            if texts.iter().any(holds) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_after_an_erasure_the_value_is_in_no_copy_and_the_record_verifies() {
    let heard = Heard::begin();
    let handle = figures();
    let (vault, listener) = (Vault::start().await, Listener::start().await);
    story_with(listener.of("payments-agent", vault.setup()), async |world| {
        let kept = kept(world).await;
        assert_eq!(result(world, &kept).await.0, 200);
        let data_key = hex::encode(key(world, &kept).await.unwrap().expose());
        let database = world.data.path().join("bot");
        let sealed = world.bot.store().results().of(kept.id.parse().unwrap()).await.unwrap();
        let sealed = sealed[0].sealed.clone();
        let there = holding(&database, &[data_key.clone(), sealed.clone()]);
        assert!(there.iter().any(|path| path.contains("countersign.db")), "the search finds what is there: {there:?}");

        world.comment("alice", &kept, "/erase request 4711 of the account's owner").await;
        insta::assert_snapshot!(world.answers(&kept).pop().unwrap().replace(&kept.id, "ID"), @r"
        Recorded: alice erases proposal `ID`, because request 4711 of the account's owner.

        The key of its sealed values and the answers of its target are destroyed here; what the target itself holds, and backups, are not. The record of what happened stays and still verifies.
        ");
        let (status, told) = result(world, &kept).await;
        assert_eq!((status, &told["type"]), (410, &json!("urn:countersign:problem:erased")), "{told:#}");
        let status = world.status(kept.agent, &kept.id).await;
        assert_eq!((&status["state"], &status["erased"]), (&json!("executed"), &json!(true)));
        assert!(key(world, &kept).await.is_none());

        // The key, the sealed answer and the value itself are on no disk of the bot's, and nowhere that anybody reads.
        let forms = [SECRET.to_owned(), BASE64.encode(SECRET), data_key, sealed];
        assert_eq!(holding(world.data.path(), &forms), Vec::<String>::new());
        let mut requests = String::new();
        for request in world.github.requests() {
            requests.push_str(&format!("{} {} {}\n", request.path, request.query, request.request));
        }
        let pull = format!("{}/{REPO}/pull/{}", world.github.url(), kept.pull);
        let places = [
            ("git", every_object(world)),
            ("ledger", json!(world.entries()).to_string()),
            ("pull request", world.github.pull(REPO, kept.pull).unwrap().to_string()),
            ("page", reqwest::get(pull).await.unwrap().text().await.unwrap()),
            ("comments", json!(world.github.comments(REPO, kept.pull).unwrap()).to_string()),
            ("check", world.check(&kept).summary),
            ("requests", requests),
            ("callbacks", listener.bodies().concat()),
            ("logs", heard.all()),
            ("figures", handle.render()),
            ("status", status.to_string()),
        ];
        for (place, text) in &places {
            assert!(!text.is_empty(), "{place} is empty");
            for form in &forms {
                assert!(!text.contains(form.as_str()), "{form} is in {place}");
            }
        }
        let told: Vec<Value> = listener.bodies().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        assert_eq!(told.last().unwrap()["type"], "countersign.proposal.erased");
        assert_eq!(told.last().unwrap()["data"]["erased"], json!(true));

        let entry = world.of_kind("erased").pop().unwrap();
        assert_eq!(entry["actor"]["person"], "alice");
        assert_eq!(entry["body"]["reason"], "request 4711 of the account's owner");
        assert_eq!(entry["body"]["destroyed"], json!({ "answers": 1, "key": true }));
        let repo = world.github.git_dir(REPO).unwrap().display().to_string();
        let verified = run(&["audit", "verify", &repo, "--genesis", &world.genesis.to_string()]);
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
        let log = run(&["audit", "log", &repo]);
        assert!(log.out.contains("by alice: request 4711 of the account's owner"), "{}", log.out);
        // A start that reads the index knows it too.
        world.restart().await;
        assert_eq!(result(world, &kept).await.0, 410);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_only_whoever_answers_for_it_erases_and_only_once_it_has_ended() {
    with_vault(async |world| {
        let open = world.open("payments-agent", keep()).await;
        world.comment("alice", &open, "/erase now").await;
        world.approve("bob", &open).await;
        assert_eq!(world.state(&open).await, "executed");
        // Dave may approve such actions, and answers for none of them; Mallory may write, and is nobody here.
        world.comment("dave", &open, "/erase I would rather").await;
        world.comment("mallory", &open, "/erase let me").await;
        world.comment("alice", &open, "/erase").await;
        world.comment("alice", &open, "please /erase this").await;
        world.comment("alice", &open, "/erase 01ARZ3NDEKTSV4RRFFQ69G5FAV not here").await;
        assert_eq!(world.of_kind("erased"), Vec::<Value>::new());
        assert_eq!(result(world, &open).await.0, 200);
        let mut answers = world.answers(&open);
        answers.retain(|answer| answer.starts_with("Not recorded"));
        insta::assert_snapshot!(answers.concat().replace(&open.id, "ID"), @r"
        Not recorded for alice: proposal ID is open, and what it holds is still needed; close its pull request first.
        Not recorded for dave: a proposal is erased by whoever is accountable for its action, or owns the rules; ask finance or treasury.
        Not recorded for alice: it takes your reason; write `/erase`, then why; for a proposal without a pull request, its id in front of the reason.
        Not recorded for alice: proposal 01ARZ3NDEKTSV4RRFFQ69G5FAV is not on this ledger; check the id.
        ");
        // Who left the team may not any more, and a look-up that fails lets nobody.
        world.github.remove_member("acme", "finance", "alice").unwrap();
        world.comment("alice", &open, "/erase I was of finance").await;
        assert_eq!(world.of_kind("erased"), Vec::<Value>::new());
        world.comment("bob", &open, "/erase an owner of the rules says so").await;
        assert_eq!(world.of_kind("erased").len(), 1);
        world.comment("carol", &open, "/erase me too").await;
        assert!(world.answers(&open).pop().unwrap().contains("was erased before"));
        assert_eq!(world.of_kind("erased").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_an_agent_s_account_erases_nothing() {
    let vault = Vault::start().await;
    let setup = Setup {
        agent_accounts: true,
        ..vault.setup()
    };
    story_with(setup, async |world| {
        let kept = kept(world).await;
        world.comment("payments-agent[bot]", &kept, "/erase my own").await;
        assert_eq!(world.of_kind("erased"), Vec::<Value>::new());
        assert_eq!(result(world, &kept).await.0, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i03_an_erasure_that_another_role_signs_is_inert() {
    with_vault(async |world| {
        let kept = kept(world).await;
        world.comment("alice", &kept, "/erase it").await;
        let other = world.open("payments-agent", keep()).await;
        world.approve("bob", &other).await;
        let entries = world.entries();
        let newest = entries.last().unwrap();
        let mut forged = entries
            .iter()
            .find(|entry| entry["kind"] == "erased")
            .unwrap()
            .clone();
        let started = entries.iter().find(|entry| entry["kind"] == "started").unwrap();
        forged["seq"] = json!(newest["seq"].as_u64().unwrap() + 1);
        forged["previous"] = json!(Digest::of(&canonical(newest).unwrap()));
        forged["time"] = newest["time"].clone();
        forged["proposal"] = json!(other.id);
        forged["actor"]["key"] = started["actor"]["key"].clone();
        forged["actor"]["role"] = json!("executor");
        forge(world, "executor", &forged, "erased: a value");
        world.findings = 1;
        world.sweep().await;
        assert_eq!(result(world, &other).await.0, 200);
        assert_eq!(world.status(other.agent, &other.id).await.get("erased"), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_killed_between_the_entry_and_the_act_both_are_there_in_the_end() {
    with_vault(async |world| {
        let kept = kept(world).await;
        let outside = world.outside(None).await;
        let file = world.data.path().join("bot/countersign.db");
        let address = format!("sqlite://{}", file.display());
        // The database does not take the erasure: the program is killed between the entry and the act.
        let stuck = "CREATE TRIGGER stuck BEFORE UPDATE ON data_keys \
                     BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
        let change = async |sql: &'static str| {
            let mut database = open(&address).await;
            database.execute(sql).await.unwrap();
            database.close().await.unwrap();
        };
        let left = async || {
            let mut database = open(&address).await;
            let rows = "SELECT (SELECT COUNT(*) FROM data_keys WHERE data_key <> '') + (SELECT COUNT(*) FROM results)";
            let row = sqlx::query(rows).fetch_one(&mut database).await.unwrap();
            database.close().await.unwrap();
            row.get::<i64, _>(0)
        };
        change(stuck).await;
        let program = outside.ready().await;
        world
            .person("alice")
            .comment(REPO, kept.pull, "/erase it")
            .unwrap();
        while world.of_kind("erased").is_empty() {
            tokio::task::yield_now().await;
        }
        program.kill();
        assert_eq!(left().await, 2, "the key and the answer are there");
        change("DROP TRIGGER stuck").await;
        // However often it dies on the way: the ledger tells each start what is to be done.
        let mut program = outside.ready().await;
        while left().await > 0 {
            program.runs();
            tokio::task::yield_now().await;
        }
        program.kill();
        world.start().await.unwrap();
        world.both_later(Duration::from_secs(600));
        world.sweep().await;
        assert!(key(world, &kept).await.is_none());
        assert_eq!(result(world, &kept).await.0, 410);
        assert_eq!(world.of_kind("erased").len(), 1, "one comment, one entry");
        let said = world.answers(&kept).into_iter();
        assert_eq!(said.filter(|answer| answer.contains("erases proposal")).count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_from_the_entry_on_nobody_is_given_what_is_not_destroyed_yet() {
    with_vault(async |world| {
        let kept = kept(world).await;
        let file = world.data.path().join("bot/countersign.db");
        let mut database = open(&format!("sqlite://{}", file.display())).await;
        let stuck = "CREATE TRIGGER stuck BEFORE UPDATE ON data_keys \
                     BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
        database.execute(stuck).await.unwrap();
        world
            .person("alice")
            .comment(REPO, kept.pull, "/erase it")
            .unwrap();
        while world.status(kept.agent, &kept.id).await["erased"] != json!(true) {
            tokio::task::yield_now().await;
        }
        assert_eq!(result(world, &kept).await.0, 410);
        assert!(key(world, &kept).await.is_some());
        database.execute("DROP TRIGGER stuck").await.unwrap();
        database.close().await.unwrap();
        world.both_later(Duration::from_secs(600));
        world.sweep().await;
        assert!(key(world, &kept).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_a_backup_that_brings_a_key_back_loses_it_again_and_every_other_database_too() {
    with_vault(async |world| {
        let kept = kept(world).await;
        let id = kept.id.parse().unwrap();
        let stolen = key(world, &kept).await.unwrap();
        let second = world.second().await;
        second.store().keys().keep(id, &stolen).await.unwrap();
        world.comment("alice", &kept, "/erase it").await;
        second.sweep().await;
        assert!(second.store().keys().get(id).await.unwrap().is_none());
        second.stopping().begin();
        second.tasks().idle().await;
        second.close().await;
        // Somebody restores the row as it was.
        world.crash();
        let file = world.data.path().join("bot/countersign.db");
        let mut database = open(&format!("sqlite://{}", file.display())).await;
        let restore = sqlx::query("UPDATE data_keys SET data_key = $1 WHERE proposal = $2");
        let restore = restore.bind(hex::encode(stolen.expose())).bind(&kept.id);
        restore.execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        world.start().await.unwrap();
        assert!(key(world, &kept).await.is_some(), "the restored row is there");
        assert_eq!(result(world, &kept).await.0, 410, "and opens nothing");
        world.sweep().await;
        assert!(key(world, &kept).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_a_low_tier_proposal_is_erased_by_its_id_and_the_program_asks_for_it() {
    let vault = Vault::start().await;
    vault.says(Mood::Text);
    let mut setup = vault.setup();
    setup
        .edits
        .push(("catalog.yaml", "checks: []", leaked("checks: []".into())));
    story_with(setup, async |world| {
        let (_, told) = world.propose("payments-agent", jot()).await;
        let low = Opened {
            id: told["id"].as_str().unwrap().to_owned(),
            pull: 0,
            agent: "payments-agent",
        };
        let (_, told) = world.propose("support-agent", note()).await;
        let other = told["id"].as_str().unwrap().to_owned();
        world.sweep().await;
        assert_eq!(result(world, &low).await.0, 200);
        let (token, api) = (
            world.github.user_token("alice").unwrap(),
            world.github.api_url().to_owned(),
        );
        let erase = |id: &str, more: &[&str]| {
            let mut command = countersign();
            command.args([
                "erase",
                id,
                "--reason",
                "request 4711",
                "--repo",
                REPO,
                "--api-url",
                &api,
            ]);
            command.env("GH_TOKEN", &token).args(more);
            let output = tokio::task::block_in_place(|| command.output().unwrap());
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            (
                output.status.code().unwrap(),
                text(output.stdout),
                text(output.stderr),
            )
        };
        let (code, _, err) = erase(&low.id, &[]);
        assert!(
            code == 1 && err.contains("no proposal has a pull request"),
            "{err}"
        );
        // Any proposal's pull request is a place to say it.
        let paid = world.payment().await;
        let (code, out, err) = erase(&low.id, &["--json"]);
        let told: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        assert_eq!(
            (code, &told["recorded"], &told["pull_request"]),
            (0, &json!(true), &json!(paid.pull)),
            "{told}"
        );
        assert_eq!(result(world, &low).await.0, 410);
        // Alice answers for no customers' records, and the rules are hers: both may; Dave answers for them.
        let (code, out, _) = erase(&paid.id, &[]);
        assert!(code == 3 && out.contains("close its pull request first"), "{out}");
        let (code, out, err) = erase(&other, &[]);
        assert!(code == 0 && out.contains("erases proposal"), "{out}{err}");
        // Asked the same again, the bot answers again.
        for _ in 0..2 {
            let (code, out, _) = erase(&other, &[]);
            assert!(code == 3 && out.contains("was erased before"), "{out}");
        }
        world.settle().await;
        let entries = world.of_kind("erased");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["body"]["pull"], json!(paid.pull));
        let mut nobody = countersign();
        nobody.args([
            "erase",
            &low.id,
            "--reason",
            "x",
            "--repo",
            REPO,
            "--api-url",
            &api,
        ]);
        let output = tokio::task::block_in_place(|| nobody.output().unwrap());
        assert_eq!(output.status.code(), Some(2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_an_erasure_leaves_no_row_in_postgresql() {
    let Some(cluster) = cluster().await else { return };
    let address = cluster.database().await;
    let vault = Vault::start().await;
    let setup = Setup {
        database: Some(address.clone()),
        ..vault.setup()
    };
    story_with(setup, async |world| {
        let kept = kept(world).await;
        let data_key = hex::encode(key(world, &kept).await.unwrap().expose());
        let rows = async || {
            let mut database = open(&address).await;
            let tables =
                "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
            let tables = sqlx::query(tables).fetch_all(&mut database).await.unwrap();
            let mut all = String::new();
            for table in tables {
                let table: String = table.get(0);
                let rows = sqlx::AssertSqlSafe(format!("SELECT row_to_json({table})::text FROM {table}"));
                for row in sqlx::query(rows).fetch_all(&mut database).await.unwrap() {
                    all.push_str(&row.get::<String, _>(0));
                    all.push('\n');
                }
            }
            database.close().await.unwrap();
            all
        };
        assert!(rows().await.contains(&data_key), "the search finds what is there");
        let sealed = world
            .bot
            .store()
            .results()
            .of(kept.id.parse().unwrap())
            .await
            .unwrap();
        world.comment("alice", &kept, "/erase it").await;
        let left = rows().await;
        for form in [data_key.as_str(), SECRET, &sealed[0].sealed] {
            assert!(!left.contains(form), "{form}");
        }
        assert_eq!(result(world, &kept).await.0, 410);
    })
    .await;
}

async fn open(address: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(address).await.unwrap()
}
