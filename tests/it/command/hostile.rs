//! What a hostile program tries. This file runs twice: as a test, which does nothing, and as the contained program.

use std::{
    fs::{self, File},
    io::Read,
    net::{TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixStream},
    path::Path,
    process::Command,
};

use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde_json::Value;

/// The test that is the program.
pub(crate) const NAME: &str = "command::hostile::as_a_program";
/// What its answer begins with.
pub(crate) const MARK: &str = "came of it: ";

#[test]
fn as_a_program() {
    if !std::env::args().any(|arg| arg == NAME) || std::env::vars_os().next().is_some() {
        return;
    }
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    let input: Value = serde_json::from_str(&input).unwrap();
    let act: Value = serde_json::from_str(input["input"]["text"].as_str().unwrap()).unwrap();
    let came = attempt(&act);
    println!("\n{MARK}{came}");
    if let Some(code) = act["exit"].as_i64() {
        eprintln!("{came}");
        std::process::exit(i32::try_from(code).unwrap());
    }
}

fn shown<T>(result: Result<T, impl std::fmt::Display>) -> String {
    match result {
        Ok(_) => "done".into(),
        Err(error) => error.to_string(),
    }
}

#[allow(
    deprecated,
    reason = "what makes it deprecated does not matter to a process that ends"
)]
fn unshared() -> String {
    shown(rustix::thread::unshare(rustix::thread::UnshareFlags::NEWUSER))
}

fn parent() -> Pid {
    rustix::process::getppid().expect("a parent")
}

/// Tries it; `done` when nobody kept it from that.
fn attempt(act: &Value) -> String {
    let path = Path::new(act["path"].as_str().unwrap_or("/"));
    let text = act["text"].as_str().unwrap_or_default();
    match act["do"].as_str().unwrap() {
        "read" => match fs::read(path) {
            Ok(bytes) => format!("done: {}", String::from_utf8_lossy(&bytes).escape_debug()),
            Err(error) => error.to_string(),
        },
        "list" => shown(fs::read_dir(path)),
        "write" => shown(fs::write(path, "x")),
        "append" => shown(fs::OpenOptions::new().append(true).open(path)),
        "truncate" => shown(fs::OpenOptions::new().write(true).truncate(true).open(path)),
        "remove" => shown(fs::remove_file(path)),
        "rename" => shown(fs::rename(path, "here")),
        "link" => shown(fs::hard_link(path, "here")),
        "by symlink" => {
            std::os::unix::fs::symlink(path, "link").unwrap();
            if text == "write" {
                shown(fs::write("link", "x"))
            } else {
                shown(File::open("link"))
            }
        }
        "chmod" => shown(fs::set_permissions(
            path,
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )),
        "times" => shown(File::open(path).and_then(|file| file.set_modified(std::time::UNIX_EPOCH))),
        "own" => {
            // All that it may: its own directory.
            let work = || {
                fs::write("file", "x")?;
                fs::create_dir("dir")?;
                fs::rename("file", "dir/file")?;
                std::os::unix::fs::symlink("dir/file", "link")?;
                let here = std::env::current_dir()?;
                let found = fs::read_dir(&here)?.count();
                fs::read_to_string("link").map(|text| format!("{text} {found} {}", here.display()))
            };
            work().map_or_else(
                |error: std::io::Error| error.to_string(),
                |text| format!("done: {text}"),
            )
        }
        "execute what it wrote" => {
            fs::write("own", "#!/bin/sh\n").unwrap();
            let error = std::os::unix::process::CommandExt::exec(&mut Command::new("./own"));
            error.to_string()
        }
        "start a process" => shown(Command::new("/bin/sh").arg("-c").arg("exit 0").status()),
        "start a thread" => shown(
            std::thread::Builder::new()
                .spawn(|| ())
                .map(|thread| thread.join()),
        ),
        "tcp" => shown(TcpStream::connect(text)),
        "connect and wait" => {
            let held = TcpStream::connect(text).unwrap();
            loop {
                std::thread::park();
                assert!(held.peer_addr().is_ok());
            }
        }
        "udp" => shown(UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", text))),
        "unix" => shown(UnixStream::connect(path)),
        "unix datagram" => shown(UnixDatagram::pair().and_then(|(one, _)| one.send_to(b"x", path))),
        "stream pair" => shown(UnixStream::pair()),
        "kill the bot" => shown(rustix::process::kill_process(parent(), Signal::WINCH)),
        "limit the bot" => shown(rustix::process::prlimit(
            Some(parent()),
            Resource::Core,
            Rlimit {
                current: Some(0),
                maximum: Some(0),
            },
        )),
        "leave the session" => shown(rustix::process::setsid()),
        "leave the group" => shown(rustix::process::setpgid(None, None)),
        "outlive the bot" => shown(rustix::process::set_parent_process_death_signal(None)),
        "the bot's environment" => match fs::read(format!("/proc/{}/environ", parent().as_raw_nonzero())) {
            Ok(bytes) => format!("done: {}", String::from_utf8_lossy(&bytes).escape_debug()),
            Err(error) => error.to_string(),
        },
        "unshare" => unshared(),
        "capabilities" => {
            let sets = rustix::thread::capabilities(None).unwrap();
            format!("{:x} {:x}", sets.effective.bits(), sets.permitted.bits())
        }
        "new privileges" => format!("{}", rustix::thread::no_new_privs().unwrap()),
        "memory" => {
            let mut hog: Vec<Vec<u8>> = Vec::new();
            loop {
                let mut more = Vec::new();
                if more.try_reserve_exact(16 << 20).is_err() {
                    return format!("{} MiB", hog.len() * 16);
                }
                more.resize(16 << 20, 1);
                hog.push(more);
            }
        }
        "open files" => {
            let mut open = Vec::new();
            loop {
                match File::open("/dev/null") {
                    Ok(file) => open.push(file),
                    Err(_) => return format!("{}", open.len()),
                }
            }
        }
        "loop" => loop {
            std::hint::spin_loop();
        },
        "wait" => loop {
            std::thread::park();
        },
        "many files" => {
            for number in 0.. {
                if let Err(error) = fs::write(format!("{number}"), vec![1; 64 * 1024]) {
                    return error.to_string();
                }
            }
            "done".into()
        }
        other => panic!("nobody tries `{other}`"),
    }
}
