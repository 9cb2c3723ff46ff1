# Turns what "runc spec" makes into a container that says who it is.
.process.terminal = false
| .process.args = ["sh", "-c", "echo process $$ of $(hostname), user $(id -u)"]
| .process.user = {uid: 10001, gid: 10001}
| .hostname = "by-hand"
