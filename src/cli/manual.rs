//! `countersign completions` and `countersign man`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap_complete::Shell;

use super::Failure;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign completions bash > ~/.local/share/bash-completion/completions/countersign\n  \
    countersign completions zsh > \"${fpath[1]}/_countersign\"\n  \
    countersign completions fish > ~/.config/fish/completions/countersign.fish"
)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write one page a command
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  countersign man | man -l -\n  countersign man --dir ~/.local/share/man/man1"
)]
pub(super) struct Man {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn completions(args: Completions, mut command: clap::Command) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "countersign", &mut text);
    print(&text)
}

pub(super) fn man(args: Man, command: clap::Command) -> Result<ExitCode, Failure> {
    let Some(dir) = args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(Failure::new)?;
        return print(&page);
    };
    let failed = |error: io::Error| Failure::new(format!("can't write to `{}`: {error}", dir.display()));
    std::fs::create_dir_all(&dir).map_err(failed)?;
    clap_mangen::generate_to(command, &dir).map_err(failed)?;
    anstream::println!(
        "wrote the pages into {}; read with `man countersign`",
        dir.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn print(text: &[u8]) -> Result<ExitCode, Failure> {
    match io::stdout().write_all(text) {
        // Whoever read us has read enough, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(error)),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}
