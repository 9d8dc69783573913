# Sourced: makes .build/clients-venv with the Python clients of requirements.txt. Sets `python` to it; to nothing where PyPI is out of reach.
venv="$here/../../.build/clients-venv"
stamp="$venv/installed-requirements.txt"
python="$venv/bin/python"
# One at a time: run.sh and security.sh run side by side.
mkdir -p "$(dirname "$venv")"
exec {lock}>"$venv.lock"
flock "$lock"
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  python3 -m venv "$venv" || { echo "no venv: run 'sudo apt-get install -y python3-venv'" >&2; exit 2; }
  if "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"; then
    cp "$here/requirements.txt" "$stamp"
  else
    python=
  fi
fi
exec {lock}>&-
