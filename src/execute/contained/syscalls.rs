//! What a program may ask of the kernel at all: seccomp. A list of what is allowed, so that what a later kernel adds is
//! not there for it.

use seccompiler::{BpfProgram, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

use super::{Cannot, Spec, filesystem::Signals};

/// What is not on the list is answered as by a kernel without it, for which programs are prepared.
const ENOSYS: u32 = 38;

/// Calls that act on the program's own memory, files, threads and time. Not here, for each reaches further: the modes,
/// owners, times and attributes of files (Landlock does not guard them), priorities and limits of other processes, kernel
/// keys, shared memory, message queues, files in memory alone, namespaces, mounts, tracing, `io_uring`, BPF, modules.
const ALLOWED: &str = "
    read write readv writev pread64 pwrite64 preadv preadv2 pwritev pwritev2 sendfile splice tee copy_file_range
    openat openat2 close close_range dup dup3 fcntl flock lseek ioctl pipe2 fstat newfstatat statx statfs fstatfs
    faccessat faccessat2 readlinkat getdents64 getcwd chdir fchdir mkdirat unlinkat linkat symlinkat renameat2
    truncate ftruncate fallocate fadvise64 readahead fsync fdatasync sync_file_range umask
    getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    brk mmap munmap mremap mprotect pkey_alloc pkey_free pkey_mprotect madvise mincore mlock mlock2 mlockall munlock
    munlockall msync membarrier mseal get_mempolicy
    epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 ppoll pselect6 eventfd2 signalfd4 timerfd_create timerfd_gettime
    timerfd_settime
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sigaltstack restart_syscall
    execve execveat exit exit_group wait4 waitid set_tid_address set_robust_list rseq gettid getpid getppid
    getuid geteuid getgid getegid getgroups getresuid getresgid getpgid getsid getpriority getrlimit setrlimit getrusage
    setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capget capset
    futex futex_wait futex_wake futex_waitv futex_requeue sched_yield sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval getcpu
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday times getitimer setitimer timer_create
    timer_delete timer_getoverrun timer_gettime timer_settime
    getrandom uname sysinfo
    landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp
    sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown getsockname getpeername getsockopt setsockopt";

/// The older names of the same calls.
const ALLOWED_X86_64: &str = "
    open creat stat lstat access readlink getdents mkdir rmdir unlink link symlink rename dup2 pipe poll select
    renameat epoll_create epoll_wait eventfd signalfd alarm pause time getpgrp arch_prctl set_thread_area get_thread_area";

const ALLOWED_AARCH64: &str = "renameat";

const NETWORK: &str = "connect bind listen accept accept4";

// include/uapi/linux/sched.h: what makes a thread, what makes a child another's, and every new namespace.
const CLONE_THREAD: u64 = 0x0001_0000;
const CLONE_PARENT: u64 = 0x0000_8000;
const CLONE_NAMESPACES: u64 = 0x7e02_0000;
const PR_SET_PDEATHSIG: u64 = 1;
const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const SOCK_STREAM: u64 = 1;
const SOCK_DGRAM: u64 = 2;
const SOCK_TYPE: u64 = 0xf;

/// The filter, compiled.
pub(super) struct Filter(BpfProgram);

/// Its name where it is written down.
const NAME: &str = "program";

/// The filter for a program that will have this process id.
pub(super) fn filter(spec: &Spec, signals: Signals, me: u32) -> Result<Filter, Cannot> {
    compile(spec, signals, me, std::env::consts::ARCH)
}

fn compile(spec: &Spec, signals: Signals, me: u32, arch: &str) -> Result<Filter, Cannot> {
    let target = TargetArch::try_from(arch).map_err(|_| {
        let why = format!("no filter is known for `{arch}`; x86_64, aarch64 and riscv64 have one");
        Cannot::new("seccomp", why)
    })?;
    let older = match target {
        TargetArch::x86_64 => ALLOWED_X86_64,
        TargetArch::aarch64 => ALLOWED_AARCH64,
        TargetArch::riscv64 => "",
    };
    let network = if spec.network { NETWORK } else { "" };
    let names = [ALLOWED, older, network];
    let mut list: Vec<Value> = names
        .iter()
        .flat_map(|names| names.split_whitespace())
        .map(|name| json!({ "syscall": name }))
        .collect();
    // No process but those of the program may be limited or killed, whatever its user.
    list.push(only("prlimit64", &[eq(0, 0)]));
    match signals {
        Signals::Own => list.extend(["kill", "tgkill", "tkill"].map(|name| json!({ "syscall": name }))),
        Signals::Anyone => list.extend(["kill", "tgkill"].map(|name| only(name, &[eq(0, u64::from(me))]))),
    }
    // `clone3` hides its flags from a filter and is not on the list, so that `clone` is used.
    let flags = CLONE_THREAD | CLONE_PARENT | CLONE_NAMESPACES;
    list.push(only("clone", &[masked(0, flags, CLONE_THREAD)]));
    if spec.processes > 1 {
        list.push(only("clone", &[masked(0, flags, 0)]));
        if target == TargetArch::x86_64 {
            list.extend(["fork", "vfork"].map(|name| json!({ "syscall": name })));
        }
    }
    // A pair of a stream has no address to send to; any other could reach a socket by its name.
    list.push(only(
        "socketpair",
        &[eq(0, AF_UNIX), masked(1, SOCK_TYPE, SOCK_STREAM)],
    ));
    if spec.network {
        for family in [AF_INET, AF_INET6] {
            for kind in [SOCK_STREAM, SOCK_DGRAM] {
                list.push(only("socket", &[eq(0, family), masked(1, SOCK_TYPE, kind)]));
            }
        }
    }
    // Only the bot's end ends the program with it.
    let other = json!({ "index": 0, "type": "dword", "op": "ne", "val": PR_SET_PDEATHSIG });
    list.push(only("prctl", &[other]));
    let written = json!({
        NAME: { "mismatch_action": { "errno": ENOSYS }, "match_action": "allow", "filter": list },
    });
    let cannot = |why: String| Cannot::new("seccomp", why);
    let mut compiled = compile_from_json(written.to_string().as_bytes(), target)
        .map_err(|error| cannot(error.to_string()))?;
    let filter = compiled
        .remove(NAME)
        .ok_or_else(|| cannot("the filter is empty".into()))?;
    Ok(Filter(filter))
}

fn only(name: &str, args: &[Value]) -> Value {
    json!({ "syscall": name, "args": args })
}

fn eq(index: u8, value: u64) -> Value {
    json!({ "index": index, "type": "dword", "op": "eq", "val": value })
}

fn masked(index: u8, mask: u64, value: u64) -> Value {
    json!({ "index": index, "type": "qword", "op": { "masked_eq": mask }, "val": value })
}

impl Filter {
    /// Puts it on this thread, for good.
    pub(super) fn apply(&self) -> Result<(), Cannot> {
        apply_filter(&self.0).map_err(|error| {
            let why = format!(
                "{error}; the kernel must have CONFIG_SECCOMP_FILTER, and what starts the bot must allow `seccomp`"
            );
            Cannot::new("seccomp", why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_has_a_filter() {
        let spec = |network, processes| Spec {
            token: String::new(),
            parent: 1,
            program: String::new(),
            args: Vec::new(),
            directory: String::new(),
            read: Vec::new(),
            confined: true,
            network,
            processes,
            cpu: 1,
            memory: 1,
            files: 1,
            open_files: 8,
            probe: false,
        };
        for arch in ["x86_64", "aarch64", "riscv64"] {
            for signals in [Signals::Own, Signals::Anyone] {
                for spec in [spec(false, 1), spec(true, 4)] {
                    assert!(compile(&spec, signals, 1, arch).is_ok(), "{arch}");
                }
            }
        }
        assert!(compile(&spec(false, 1), Signals::Own, 1, "s390x").is_err());
    }
}
