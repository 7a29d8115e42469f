//! What is erased is gone from the files too. INVARIANT i29.

use std::fs;

use countersign::{
    domain::{entry::Destroyed, ids::Timestamp, sealed::DataKey},
    store::{Kept, Store},
};

use super::id;

fn is_anywhere(directory: &std::path::Path, what: &[u8]) -> bool {
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).any(|path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(what.len()).any(|window| window == what)
    })
}

#[tokio::test]
async fn i29_what_is_erased_is_in_no_file_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), None).await.unwrap();
    let raw: [u8; 32] = std::array::from_fn(|n| 0xa0 + n as u8);
    let (digits, answer) = (hex::encode(raw), "the bank's whole answer, account and all");
    let until = Timestamp::from_millis(i64::MAX / 2);
    for n in 1..50 {
        store
            .keys()
            .keep(id(n), &DataKey::new([n as u8; 32]))
            .await
            .unwrap();
    }
    store.keys().keep(id(99), &DataKey::new(raw)).await.unwrap();
    let keep = async |sealed: String| {
        let kept = Kept {
            place: "1".into(),
            sealed,
        };
        let results = store.results();
        assert!(
            results
                .keep(id(99), &DataKey::new(raw), vec![kept], until)
                .await
                .unwrap()
        );
    };
    keep(answer.to_owned()).await;
    // A second one, so that the first is somewhere in the log too.
    keep(format!("{answer}{answer}")).await;
    let forms: [&[u8]; 3] = [&raw, digits.as_bytes(), answer.as_bytes()];
    assert!(
        is_anywhere(directory.path(), digits.as_bytes()),
        "the search finds what is there"
    );
    assert!(
        is_anywhere(directory.path(), forms[2]),
        "the search finds what is there"
    );

    let held = Destroyed {
        key: true,
        answers: 1,
    };
    assert_eq!(store.erasures().erase(id(99)).await.unwrap(), held);
    for form in forms {
        assert!(
            !is_anywhere(directory.path(), form),
            "{:?}",
            String::from_utf8_lossy(form)
        );
    }
    assert!(store.keys().get(id(49)).await.unwrap().is_some());
    drop(store);
    for form in forms {
        assert!(
            !is_anywhere(directory.path(), form),
            "{:?}",
            String::from_utf8_lossy(form)
        );
    }
}
