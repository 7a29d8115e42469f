//! What is kept beside the ledger, on both databases, and what is left of it after a crash.

mod erase;
mod inbox;
mod refused;
mod together;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use countersign::{
    domain::{
        assess::assess,
        entry::{Destroyed, Draft, Finished, Outcome, Received, Unknown, Via},
        ids::{InstanceId, Nonce, ProposalId, Timestamp},
        sealed::DataKey,
        totals::Totals,
    },
    store::{Claim, ClaimError, Ended, Inbox, Kept, NonceError, Store, StoreError},
};
use secrecy::SecretString;
use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

use super::{
    execute::{now, planned, policy, propose},
    postgres::{Cluster, cluster},
};

/// A database and the data directories of those who share it.
struct Home {
    directory: tempfile::TempDir,
    address: String,
    _cluster: Option<Arc<Cluster>>,
}

impl Home {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", directory.path().join("shared.db").display());
        Self {
            directory,
            address,
            _cluster: None,
        }
    }

    async fn postgres() -> Option<Self> {
        let cluster = cluster().await?;
        Some(Self {
            directory: tempfile::tempdir().unwrap(),
            address: cluster.database().await,
            _cluster: Some(cluster),
        })
    }

    async fn try_open(&self, replica: &str) -> Result<Store, StoreError> {
        let address = SecretString::from(self.address.clone());
        Store::open(&self.directory.path().join(replica), Some(&address)).await
    }

    async fn open(&self) -> Store {
        self.try_open("one").await.unwrap()
    }

    /// The inbox as the command line opens it, beside the process that has the directory.
    async fn inbox(&self) -> Inbox {
        let address = SecretString::from(self.address.clone());
        Store::inbox_beside(self.directory.path(), Some(&address))
            .await
            .unwrap()
    }

    /// Something done to the database by others.
    async fn sql(&self, sql: &str) {
        let mut connection = self.connect().await;
        let sql = AssertSqlSafe(sql.to_owned());
        connection.execute(sqlx::raw_sql(sql)).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.address).await.unwrap()
    }
}

/// Runs a test on SQLite, and on PostgreSQL where there is one.
async fn on_both(test: impl AsyncFn(&Home)) {
    test(&Home::sqlite()).await;
    if let Some(home) = Home::postgres().await {
        test(&home).await;
    }
}

async fn arrived() -> (Received, Draft) {
    let policy = policy("method: POST\nurl: https://a.example/do", None);
    let proposal = propose(&policy, &[json!({"name": "x"})]).await;
    let started = planned(&policy, &proposal).started("me".parse().unwrap(), now());
    let assessment = assess(
        &proposal.matter(),
        &Totals::of(&proposal.matter(), &policy),
        &policy,
    );
    (
        Received {
            proposal: Arc::new(proposal),
            assessment,
            via: Via::Api,
        },
        started,
    )
}

async fn claim(store: &Store, (received, started): &(Received, Draft)) -> Result<Claim, ClaimError> {
    let epoch = store.outbox().epoch().await.unwrap();
    store.outbox().claim(received, started, epoch).await
}

fn id(n: u128) -> ProposalId {
    ProposalId::from_parts(now(), n)
}

/// So many seconds later.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(now().millis() + seconds * 1000)
}

fn modes(path: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        found.push((
            path.display().to_string(),
            path.metadata().unwrap().permissions().mode() & 0o777,
        ));
        if path.is_dir() {
            found.extend(modes(&path));
        }
    }
    found
}

#[tokio::test]
async fn i16_a_claim_is_given_once_whatever_happens_after_it() {
    on_both(async |home| {
        let arrived = arrived().await;
        let (received, started) = &arrived;
        let store = home.open().await;
        let claimed = claim(&store, &arrived).await.unwrap();
        assert_eq!(Some(claimed.row().plan), started.digests.plan);
        assert!(matches!(
            claim(&store, &arrived).await,
            Err(ClaimError::Already(_))
        ));
        drop(store);

        // A process that died in mid-call left no end: whoever comes next learns that it is unknown.
        let store = home.open().await;
        assert!(matches!(
            claim(&store, &arrived).await,
            Err(ClaimError::Already(_))
        ));
        let rows = store.outbox().rows().await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].received(), rows[0].digests(), rows[0].at()),
            (received, &started.digests, now())
        );
        assert_eq!(rows[0].ended(), None);
        let proposal = &received.proposal;
        let found = store.outbox().row(proposal.id).await.unwrap();
        assert_eq!(found.as_ref(), rows.first());
        assert_eq!(store.outbox().row(id(8)).await.unwrap(), None);

        let agent = &proposal.binding.agent;
        let before = async |key: Option<&str>, nonce: &str| {
            let key = key.map(|key| key.parse().unwrap());
            let nonce: Nonce = nonce.parse().unwrap();
            let prior = store.outbox().before(agent, key.as_ref(), &nonce).await;
            let prior = prior.unwrap();
            assert_eq!(prior.epoch, store.outbox().epoch().await.unwrap());
            (prior.proposal, prior.nonce)
        };
        let (key, nonce) = (proposal.idempotency_key.as_str(), proposal.nonce.as_str());
        assert_eq!(before(Some(key), nonce).await, (Some(proposal.id), true));
        assert_eq!(
            before(Some(key), "another-nonce-00").await,
            (Some(proposal.id), false)
        );
        assert_eq!(before(Some("another-key"), nonce).await, (None, true));
        assert_eq!(before(None, "another-nonce-00").await, (None, false));

        let end = Ended::Unknown(Unknown {
            stopped: true,
            instance: "me".parse().unwrap(),
            reason: "it stopped".into(),
            steps: Vec::new(),
            credentials: Vec::new(),
        });
        assert!(store.outbox().end(rows[0].name(), &end).await.unwrap());
        let other = Ended::Finished(Finished {
            instance: "me".parse().unwrap(),
            outcome: Outcome::Executed,
            steps: Vec::new(),
            credentials: Vec::new(),
        });
        assert!(!store.outbox().end(rows[0].name(), &other).await.unwrap());
        assert_eq!(
            store.outbox().rows().await.unwrap()[0].ended(),
            Some(&end),
            "the first word stands"
        );

        store.outbox().recorded(rows[0].name()).await.unwrap();
        store.outbox().recorded(rows[0].name()).await.unwrap();
        assert!(store.outbox().rows().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_of_many_who_claim_at_once_one_wins() {
    on_both(async |home| {
        let arrived = Arc::new(arrived().await);
        let stores = [
            Arc::new(home.open().await),
            Arc::new(home.try_open("two").await.unwrap()),
        ];
        let claims = (0..16).map(|n| {
            let (store, arrived) = (Arc::clone(&stores[n % 2]), Arc::clone(&arrived));
            tokio::spawn(async move { claim(&store, &arrived).await.is_ok() })
        });
        let mut won = 0;
        for claim in claims.collect::<Vec<_>>() {
            won += usize::from(claim.await.unwrap());
        }
        assert_eq!(won, 1);
    })
    .await;
}

#[tokio::test]
async fn i02_what_was_prepared_under_other_rules_is_not_claimed() {
    on_both(async |home| {
        let (received, started) = arrived().await;
        let (one, two) = (home.open().await, home.try_open("two").await.unwrap());
        let before = one.outbox().epoch().await.unwrap();
        two.outbox().end_epoch().await.unwrap();
        let late = one.outbox().claim(&received, &started, before).await;
        assert!(matches!(late, Err(ClaimError::OtherRules)), "{late:?}");
        assert!(one.outbox().rows().await.unwrap().is_empty());
        claim(&one, &(received, started)).await.unwrap();
    })
    .await;
}

/// Run as a child by the test below: claims, says so, and dies without a farewell.
#[tokio::test]
async fn claims_and_is_killed() {
    let Ok(directory) = std::env::var("COUNTERSIGN_TEST_STORE") else {
        return;
    };
    let store = Store::open(Path::new(&directory), None).await.unwrap();
    claim(&store, &arrived().await).await.unwrap();
    store.keys().keep(id(1), &DataKey::new([7; 32])).await.unwrap();
    let (agent, nonce) = ("robot".parse().unwrap(), "0123456789abcdef".parse().unwrap());
    store.nonces().admit(&agent, &nonce, now(), now()).await.unwrap();
    let delivery = "d-1".parse().unwrap();
    let heard = store.inbox().hear("pull 1", &delivery, "{}".into(), now()).await;
    assert!(heard.unwrap());
    std::process::abort();
}

#[tokio::test]
async fn i16_i24_what_was_promised_outlasts_the_process_that_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::claims_and_is_killed", "--nocapture"])
        .env("COUNTERSIGN_TEST_STORE", directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    let store = Store::open(directory.path(), None).await.unwrap();
    let again = claim(&store, &arrived().await).await;
    assert!(matches!(again, Err(ClaimError::Already(_))), "{again:?}");
    assert_eq!(store.outbox().rows().await.unwrap().len(), 1);
    assert_eq!(store.keys().get(id(1)).await.unwrap().unwrap().expose(), &[7; 32]);
    let (agent, nonce) = ("robot".parse().unwrap(), "0123456789abcdef".parse().unwrap());
    assert!(matches!(
        store.nonces().admit(&agent, &nonce, now(), now()).await,
        Err(NonceError::Used(_))
    ));
    let work = store
        .inbox()
        .take(&"me.1".parse().unwrap(), now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (work.lease.subject(), work.hints),
        ("pull 1", vec!["{}".to_owned()])
    );
}

#[tokio::test]
async fn a_damaged_row_is_never_believed_and_never_free() {
    on_both(async |home| {
        let arrived = arrived().await;
        let store = home.open().await;
        claim(&store, &arrived).await.unwrap();
        home.sql("UPDATE outbox SET claim = '{\"at'").await;
        let error = store.outbox().rows().await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(matches!(
            claim(&store, &arrived).await,
            Err(ClaimError::Already(_))
        ));
        store.keys().keep(id(1), &DataKey::new([7; 32])).await.unwrap();
        home.sql("UPDATE data_keys SET data_key = '07'").await;
        let error = store.keys().get(id(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn one_process_has_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), None).await.unwrap();
    let error = Store::open(directory.path(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked(_)), "{error}");
    assert!(error.to_string().contains("is held by another process"));
    drop(store);
    assert!(Store::open(directory.path(), None).await.is_ok());
}

#[tokio::test]
async fn a_machine_keeps_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let name = async || {
        let store = Store::open(directory.path(), None).await;
        store.map(|store| store.machine().to_owned())
    };
    let drawn = name().await.unwrap();
    assert_eq!(name().await.unwrap(), drawn);
    fs::write(directory.path().join("machine"), "half").unwrap();
    assert!(matches!(name().await, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn only_the_owner_can_read_what_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("data");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(place.join("countersign.db"), "").unwrap();
    let store = Store::open(&place, None).await.unwrap();
    store.keys().keep(id(1), &DataKey::new([7; 32])).await.unwrap();
    let found = modes(directory.path());
    assert!(
        found.iter().any(|(path, _)| path.ends_with("countersign.db-wal")),
        "{found:?}"
    );
    for (path, mode) in found {
        let expected = if Path::new(&path).is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{path}");
    }
}

#[tokio::test]
async fn i29_a_key_is_kept_once_and_can_be_destroyed() {
    on_both(async |home| {
        let store = home.open().await;
        let keys = store.keys();
        assert!(keys.keep(id(1), &DataKey::new([7; 32])).await.unwrap());
        assert!(
            !keys.keep(id(1), &DataKey::new([8; 32])).await.unwrap(),
            "a key is never replaced"
        );
        assert!(keys.keep(id(2), &DataKey::new([9; 32])).await.unwrap());
        assert_eq!(keys.get(id(1)).await.unwrap().unwrap().expose(), &[7; 32]);
        let erasures = store.erasures();
        let held = |key, answers| Destroyed { key, answers };
        assert_eq!(erasures.holds(id(1)).await.unwrap(), held(true, 0));
        assert_eq!(erasures.erase(id(1)).await.unwrap(), held(true, 0));
        assert_eq!(erasures.erase(id(1)).await.unwrap(), held(false, 0));
        assert!(keys.get(id(1)).await.unwrap().is_none());
        assert_eq!(keys.get(id(2)).await.unwrap().unwrap().expose(), &[9; 32]);
        assert!(
            !keys.keep(id(1), &DataKey::new([7; 32])).await.unwrap(),
            "what is erased gets no key any more"
        );
        assert!(keys.get(id(1)).await.unwrap().is_none());
    })
    .await;
}

fn kept(place: &str, sealed: &str) -> Kept {
    Kept {
        place: place.to_owned(),
        sealed: sealed.to_owned(),
    }
}

#[tokio::test]
async fn i29_answers_are_kept_with_one_key_for_a_while_and_can_be_destroyed() {
    on_both(async |home| {
        let store = home.open().await;
        let (results, keys) = (store.results(), store.keys());
        let (one, two) = (DataKey::new([1; 32]), DataKey::new([2; 32]));
        let all = ["1", "2", "10", "A", "a", ".."].map(|place| kept(place, place));
        assert!(results.keep(id(1), &one, all.to_vec(), at(100)).await.unwrap());
        let places = |kept: Vec<Kept>| kept.into_iter().map(|one| one.place).collect::<Vec<_>>();
        let found = places(results.of(id(1)).await.unwrap());
        assert_eq!(found.len(), 6);
        let place = |of: &str| found.iter().position(|known| known == of).unwrap();
        assert!(place("1") < place("2") && place("2") < place("10"), "{found:?}");
        assert_eq!(keys.get(id(1)).await.unwrap().unwrap().expose(), &[1; 32]);
        // Another key opens nothing of it, so that nothing is kept with it.
        assert!(
            !results
                .keep(id(1), &two, vec![kept("1", "x")], at(100))
                .await
                .unwrap()
        );
        assert!(
            results
                .keep(id(1), &one, vec![kept("1", "y")], at(100))
                .await
                .unwrap()
        );
        assert_eq!(results.of(id(1)).await.unwrap()[0], kept("1", "y"));
        // A key of sealed values outlasts the answers, one that was made for them does not.
        assert!(keys.keep(id(2), &two).await.unwrap());
        assert!(
            results
                .keep(id(2), &two, vec![kept("1", "z")], at(100))
                .await
                .unwrap()
        );
        results.prune(at(99)).await.unwrap();
        assert_eq!(results.of(id(2)).await.unwrap().len(), 1);
        results.prune(at(100)).await.unwrap();
        assert!(results.of(id(1)).await.unwrap().is_empty());
        assert!(results.of(id(2)).await.unwrap().is_empty());
        assert!(keys.get(id(1)).await.unwrap().is_none());
        assert_eq!(keys.get(id(2)).await.unwrap().unwrap().expose(), &[2; 32]);
        // Whoever comes after the erasure keeps nothing, whichever key they hold.
        assert!(
            results
                .keep(id(2), &two, vec![kept("1", "z")], at(200))
                .await
                .unwrap()
        );
        let held = Destroyed {
            key: true,
            answers: 1,
        };
        assert_eq!(store.erasures().erase(id(2)).await.unwrap(), held);
        for key in [&one, &two] {
            assert!(
                !results
                    .keep(id(2), key, vec![kept("1", "z")], at(200))
                    .await
                    .unwrap()
            );
        }
        assert!(results.of(id(2)).await.unwrap().is_empty());
        results.prune(at(1_000)).await.unwrap();
        assert!(
            !results
                .keep(id(2), &two, vec![kept("1", "z")], at(2_000))
                .await
                .unwrap()
        );
    })
    .await;
}

#[tokio::test]
async fn i24_a_nonce_is_let_in_once_and_only_in_time() {
    on_both(async |home| {
        let agent = "robot".parse().unwrap();
        let nonce = |n: usize| format!("nonce-number-{n:06}").parse::<Nonce>().unwrap();
        let used = |result| matches!(result, Err(NonceError::Used(_)));
        let store = home.open().await;
        let nonces = store.nonces();
        nonces.admit(&agent, &nonce(1), at(0), at(0)).await.unwrap();
        assert!(used(nonces.admit(&agent, &nonce(1), at(0), at(1)).await));
        assert!(
            used(nonces.admit(&agent, &nonce(1), at(250), at(1)).await),
            "signed again"
        );
        let other = "other".parse().unwrap();
        nonces.admit(&other, &nonce(1), at(0), at(1)).await.unwrap();
        for (signed, came) in [(0, 301), (301, 0), (-400, 0)] {
            let error = nonces
                .admit(&agent, &nonce(2), at(signed), at(came))
                .await
                .unwrap_err();
            assert!(matches!(error, NonceError::Skew { .. }), "{error}");
        }
        let two = home.try_open("two").await.unwrap();
        assert!(
            used(two.nonces().admit(&agent, &nonce(1), at(0), at(300)).await),
            "at another process"
        );
        drop(store);
        let store = home.open().await;
        store.nonces().prune(at(300)).await.unwrap();
        assert!(
            used(store.nonces().admit(&agent, &nonce(1), at(0), at(300)).await),
            "after a restart"
        );
        store.nonces().prune(at(301)).await.unwrap();
        store
            .nonces()
            .admit(&agent, &nonce(1), at(301), at(301))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn i24_an_agent_can_t_fill_the_store_with_nonces() {
    let home = Home::sqlite();
    let store = home.open().await;
    let many = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000) \
                INSERT INTO nonces (agent, nonce, forget_at) SELECT 'robot', 'nonce-' || n, ";
    home.sql(&format!("{many} {} FROM n", at(300).millis())).await;
    let (agent, nonce) = ("robot".parse().unwrap(), "0123456789abcdef".parse().unwrap());
    let error = store
        .nonces()
        .admit(&agent, &nonce, at(0), at(0))
        .await
        .unwrap_err();
    assert!(matches!(error, NonceError::TooMany(_)), "{error}");
    let other = "other".parse().unwrap();
    store.nonces().admit(&other, &nonce, at(0), at(0)).await.unwrap();
    store
        .nonces()
        .admit(&agent, &nonce, at(301), at(301))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_process_is_gone_when_nobody_heard_of_it_or_its_machine_began_anew() {
    on_both(async |home| {
        let (one, two) = (home.open().await, home.try_open("two").await.unwrap());
        let instance = |store: &Store, boot: &str| -> InstanceId {
            format!("{}.{boot}", store.machine()).parse().unwrap()
        };
        let (first, other) = (instance(&one, "1"), instance(&two, "1"));
        let gone = async |who: &InstanceId, now| {
            let instances = one.instances();
            instances.is_gone(who, one.machine(), now).await.unwrap()
        };
        assert!(gone(&other, at(0)).await, "nobody ever heard of it");
        two.instances().beat(&other, at(0)).await.unwrap();
        assert!(!gone(&other, at(119)).await);
        assert!(gone(&other, at(121)).await);
        two.instances().beat(&other, at(100)).await.unwrap();
        assert!(!gone(&other, at(121)).await);
        two.instances().end(&other).await.unwrap();
        assert!(gone(&other, at(121)).await);
        one.instances().beat(&first, at(0)).await.unwrap();
        assert!(gone(&first, at(1)).await, "an earlier process of this machine");
    })
    .await;
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    on_both(async |home| {
        drop(home.open().await);
        home.sql("UPDATE schema_version SET version = 99").await;
        let error = home.try_open("one").await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
        assert!(error.to_string().contains("start the newer program"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_make_one_database() {
    on_both(async |home| {
        let names: Vec<String> = (0..4).map(|n| n.to_string()).collect();
        let opened = futures::future::join_all(names.iter().map(|name| home.try_open(name))).await;
        for store in opened {
            store
                .unwrap()
                .instances()
                .beat(&"a.1".parse().unwrap(), now())
                .await
                .unwrap();
        }
    })
    .await;
}
