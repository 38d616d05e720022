//! What /proc says of a server.

use std::fs;

/// `pid` and all below it: gunicorn and uvicorn serve from children.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        let tasks = fs::read_dir(format!("/proc/{}/task", all[next])).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    all
}

/// CPU time so far, in microseconds.
pub fn cpu(pid: u32) -> f64 {
    family(pid)
        .iter()
        .map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
            let ticks: f64 = fields.get(11..13).map_or(0.0, |t| t.iter().filter_map(|x| x.parse::<f64>().ok()).sum());
            ticks * 10_000.0
        })
        .sum()
}

/// Resident memory, in KiB.
pub fn resident(pid: u32) -> f64 {
    family(pid)
        .iter()
        .map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            text.lines()
                .find_map(|line| line.strip_prefix("Pss:"))
                .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
                .unwrap_or(0.0)
        })
        .sum()
}
