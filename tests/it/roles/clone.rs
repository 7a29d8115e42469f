//! A clone of the repository, with somebody's token.

use countersign::domain::case::Case;

use crate::world::{REPO, World, git};

pub(super) struct Clone(tempfile::TempDir);

impl Clone {
    pub(super) fn made_with(world: &World, token: &str, (name, email): (&str, &str)) -> Self {
        let clone = Self(tempfile::tempdir().unwrap());
        let url = world.github.url().to_owned();
        let url = url.replace("http://", &format!("http://x-access-token:{token}@"));
        clone.git(&["clone", "--quiet", &format!("{url}/{REPO}.git"), "."]);
        clone.git(&["config", "user.name", name]);
        clone.git(&["config", "user.email", email]);
        clone
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        tokio::task::block_in_place(|| git(self.0.path(), args))
    }

    /// Changes what a proposal brings.
    pub(super) fn edit(&self, case: &Case, lie: impl FnOnce(String) -> String) {
        let file = self
            .0
            .path()
            .join(case.proposal.directory())
            .join("proposal.yaml");
        let held = std::fs::read_to_string(&file).unwrap();
        let shown = lie(held.clone());
        assert_ne!(shown, held);
        std::fs::write(&file, shown).unwrap();
    }
}
