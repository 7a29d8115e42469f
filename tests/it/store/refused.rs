//! A database that is full, locked, read-only or away: nothing is promised that isn't stored. INVARIANT i24.

use std::{path::Path, process::Command};

use countersign::store::{Store, StoreError};
use secrecy::SecretString;
use sqlx::Executor as _;

use super::{Home, at, on_both};

async fn hear(store: &Store, delivery: &str) -> Result<bool, StoreError> {
    let delivery = delivery.parse().unwrap();
    store
        .inbox()
        .hear("pull 1", &delivery, "x".repeat(2_000), at(0))
        .await
}

/// How many events the database holds.
async fn held(store: &Store) -> usize {
    store.inbox().undone().await.unwrap().len()
}

#[tokio::test]
async fn i24_a_write_that_spoils_a_commit_spoils_no_other() {
    on_both(async |home| {
        let store = home.open().await;
        let trigger = if home.address.starts_with("sqlite") {
            "CREATE TRIGGER spoil BEFORE INSERT ON inbox WHEN NEW.delivery = 'bad' \
             BEGIN SELECT RAISE(ABORT, 'spoiled'); END"
        } else {
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN IF NEW.delivery = 'bad' THEN RAISE 'spoiled'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER spoil BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION spoil()"
        };
        home.sql(trigger).await;
        let (good, bad, better) =
            tokio::join!(hear(&store, "good"), hear(&store, "bad"), hear(&store, "better"));
        assert!(good.unwrap() && better.unwrap());
        let error = bad.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error}");
        assert_eq!(held(&store).await, 2);
    })
    .await;
}

#[tokio::test]
async fn i24_while_another_program_holds_the_database_nothing_is_promised() {
    on_both(async |home| {
        let store = home.open().await;
        let mut other = home.connect().await;
        if home.address.starts_with("sqlite") {
            other.execute("BEGIN IMMEDIATE").await.unwrap();
        } else {
            other.execute("BEGIN").await.unwrap();
            other.execute("LOCK TABLE inbox IN EXCLUSIVE MODE").await.unwrap();
        }
        let error = hear(&store, "a").await.unwrap_err();
        assert!(matches!(error, StoreError::Busy(_)), "{error}");
        other.execute("ROLLBACK").await.unwrap();
        assert!(hear(&store, "a").await.unwrap(), "the same delivery again");
        assert_eq!(held(&store).await, 1);
    })
    .await;
}

#[tokio::test]
async fn i24_who_comes_when_too_much_waits_is_sent_away() {
    let home = Home::sqlite();
    let store = home.open().await;
    let mut other = home.connect().await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let all: Vec<String> = (0..6_000).map(|n| format!("d{n}")).collect();
    let heard = async {
        let heard = futures::future::join_all(all.iter().map(|delivery| hear(&store, delivery)));
        heard.await
    };
    let freed = async {
        // Long after everybody has asked, long before anybody is told that it is held for too long.
        tokio::task::yield_now().await;
        other.execute("ROLLBACK").await.unwrap();
    };
    let (heard, ()) = tokio::join!(heard, freed);
    let sent_away = heard
        .iter()
        .filter(|heard| matches!(heard, Err(StoreError::Overloaded)))
        .count();
    let taken = heard.iter().filter(|heard| matches!(heard, Ok(true))).count();
    assert!(sent_away > 500, "{sent_away}");
    assert_eq!(sent_away + taken, 6_000);
    assert_eq!(
        held(&store).await,
        taken,
        "what was promised is there, and nothing else"
    );
}

#[tokio::test]
async fn i24_a_read_only_database_takes_nothing() {
    let Some(home) = Home::postgres().await else {
        return;
    };
    let store = home.open().await;
    let name = home.address.split(['/', '?']).nth(3).unwrap();
    home.sql(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ))
    .await;
    // Whoever is connected already is not asked again.
    drop(store);
    let error = home.try_open("one").await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
}

#[tokio::test]
async fn i24_a_database_that_comes_back_is_used_again() {
    let Some(home) = Home::postgres().await else {
        return;
    };
    let store = home.open().await;
    assert!(hear(&store, "a").await.unwrap());
    let name = home.address.split(['/', '?']).nth(3).unwrap().to_owned();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname";
    home.sql(&format!("{end} = '{name}'")).await;
    // The first may meet the connection that is gone; nothing is promised then.
    let _ = hear(&store, "b").await;
    let known = hear(&store, "b").await;
    assert!(known.is_ok(), "{known:?}");
    assert_eq!(held(&store).await, 2);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let address = SecretString::from("postgres://someone:hunter2@127.0.0.1:1/none");
    let error = Store::open(directory.path(), Some(&address)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    let error = Store::inbox_beside(directory.path(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing(_)), "{error}");
}

/// Run as a child by the test below, which lets no file grow past a size: hears until it is refused, and says how far.
#[tokio::test]
async fn hears_until_the_disk_is_full() {
    let Ok(directory) = std::env::var("COUNTERSIGN_TEST_FULL") else {
        return;
    };
    let directory = Path::new(&directory);
    let store = Store::open(directory, None).await.unwrap();
    for n in 0..10_000 {
        if let Err(error) = hear(&store, &format!("d{n}")).await {
            assert!(matches!(error, StoreError::Full(_)), "{error}");
            std::fs::write(directory.join("promised"), n.to_string()).unwrap();
            std::process::abort();
        }
    }
}

#[tokio::test]
async fn i24_a_full_disk_takes_nothing_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // Blocks of 512 bytes; a write past them fails instead of ending the process.
    let limited =
        "trap '' XFSZ; ulimit -f 1000; exec \"$0\" --exact store::refused::hears_until_the_disk_is_full";
    let child = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .env("COUNTERSIGN_TEST_FULL", directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let promised = std::fs::read_to_string(directory.path().join("promised")).expect(&said);
    let promised: usize = promised.parse().unwrap();
    assert!(promised > 10, "{promised}");
    let store = Store::open(directory.path(), None).await.unwrap();
    assert_eq!(held(&store).await, promised);
    assert!(hear(&store, "with-room-again").await.unwrap());
}
