//! What people do on GitHub.

use countersign::sandbox::{MergeMethod, Person};

use super::{Opened, REPO, World};

impl World {
    pub(crate) fn person(&self, login: &str) -> Person<'_> {
        self.github.as_user(login)
    }

    pub(crate) async fn approve(&mut self, login: &str, of: &Opened) -> u64 {
        let review = self.person(login).approve(REPO, of.pull).unwrap();
        self.settle().await;
        review
    }

    /// Somebody's comment below a pull request; its id.
    pub(crate) async fn comment(&mut self, login: &str, of: &Opened, text: &str) -> u64 {
        let comment = self.person(login).comment(REPO, of.pull, text).unwrap();
        self.settle().await;
        comment
    }
}

pub(crate) fn merge_commit() -> MergeMethod {
    MergeMethod::Merge
}
