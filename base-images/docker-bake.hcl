# Builds every stand-in of docker-bake.json, in parallel. The build context is this folder plus what rootfs.sh makes,
# the host's ca-certificates.crt, and docker-bake.override.json with the three values below; drydock/engine/private/stand_ins.py
# puts them together.

# host:port of the registry that the engine has as its --registry-mirror.
variable "MIRROR" { default = "127.0.0.1:5000" }

# Digest of all that makes the stand-ins what they are.
variable "RECIPE" { default = "" }

# Target -> version of the software in it.
variable "VERSIONS" { default = {} }

function "mirror_name" {
  params = [reference]
  result = "${MIRROR}/${length(regexall("/", reference)) > 0 ? "" : "library/"}${reference}"
}

# "stand-ins", or "varied": the group that is built. Only its images get tags.
variable "GROUP" { default = "stand-ins" }

group "default" { targets = [GROUP] }
group "stand-ins" { targets = ["stand-in"] }

target "stand-in" {
  name   = item.target
  matrix = { item = STAND_INS }
  target = item.target
  # The root file system goes to the engine once, for debian; the others start from the result.
  contexts = item.target == "debian" ? {} : { debian = GROUP == "varied" ? "target:varied-debian" : "target:debian" }
  # Docker Hub's short names live under library/ in a mirror of it; others keep their host as the first part of the name.
  tags = GROUP == "varied" ? [] : [mirror_name(item.reference)]
  # The same arguments for all targets, so that they share the stages they have in common.
  args = { for target, version in VERSIONS : "${upper(replace(target, "-", "_"))}_VERSION" => version }
  labels = {
    "dev.drydock.stand-in"         = "true"
    "dev.drydock.stand-in.for"     = item.reference
    "dev.drydock.stand-in.version" = lookup(VERSIONS, item.target, "")
    "dev.drydock.stand-in.recipe"  = RECIPE
  }
}

# The stand-ins, changed in the ways in which official images differ from them.
target "varied" {
  name       = "varied-${item.target}"
  matrix     = { item = STAND_INS }
  dockerfile = "variations.Dockerfile"
  target     = item.target
  # Images without a shell get their files from a stage that has one; it can't have it itself.
  contexts = merge(
    { stand-in = "target:${item.target}" },
    length(regexall("^static", item.target)) > 0 ? { shell = "target:busybox" } : {}
  )
  tags       = [mirror_name(item.reference)]
  labels = {
    "dev.drydock.stand-in"         = "true"
    "dev.drydock.stand-in.for"     = item.reference
    "dev.drydock.stand-in.version" = lookup(VERSIONS, item.target, "")
    "dev.drydock.stand-in.recipe"  = RECIPE
  }
}
