#!/bin/sh
# Makes stand-ins for the images that docker-compose.yml and docker/Dockerfile name, of this machine's
# own files and of Maven's, for where no registry can be reached. The machine is a Debian with Rust, a
# JDK and Maven; the images take some 6 GB. Remove them with `docker image rm` before pulling the real
# ones, which have the same names.
set -eu

# As in tests/harness/rocketmq/pom.xml and in docker-compose.yml.
rocketmq=5.4.0
dynamodb=3.1.0
rust=1.95.0
machine=orders-stand-in

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}

# The jars of an artefact and of what it needs. Usage: jars FOLDER POM
jars() {
    mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1" -f "$2"
}

echo "── this machine's programs and libraries"
tar -C / -c --one-file-system \
    --exclude=usr/share/doc --exclude=usr/share/man --exclude=usr/share/locale \
    --exclude=usr/local/go --exclude=usr/src \
    bin etc lib lib64 sbin usr | docker import - "$machine"

echo "── rust:$rust-bookworm"
mkdir -p "$work/rust/cargo"
# The programs and the configuration, and not the cache of crates.
cp -a "$cargo_home/bin" "$work/rust/cargo/"
for file in config config.toml; do
    if [ -f "$cargo_home/$file" ]; then cp "$cargo_home/$file" "$work/rust/cargo/"; fi
done
# The toolchain under its version's name, which may be a link elsewhere.
host=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$work/rust/rustup/toolchains"
cp "$rustup_home/settings.toml" "$work/rust/rustup/"
cp -a "$(realpath "$(rustc --print sysroot)")" "$work/rust/rustup/toolchains/$rust-$host"
docker build -q -t "rust:$rust-bookworm" -f - "$work/rust" <<END
FROM $machine
COPY cargo /usr/local/cargo
COPY rustup /usr/local/rustup
RUN mkdir -m 1777 /tmp && mkdir -p /root
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup \
    PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN rustup default $rust
END
rm -r "$work/rust"

echo "── apache/rocketmq:$rocketmq"
mkdir -p "$work/rocketmq/bin"
jars "$work/rocketmq/lib" "$(dirname "$0")/../tests/harness/rocketmq/pom.xml"
cat >"$work/rocketmq/bin/mqnamesrv" <<'END'
exec java $JAVA_OPT_EXT -cp "/home/rocketmq/lib/*" org.apache.rocketmq.namesrv.NamesrvStartup "$@"
END
cat >"$work/rocketmq/bin/mqbroker" <<'END'
exec java $JAVA_OPT_EXT --add-exports=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED \
    -cp "/home/rocketmq/lib/*" org.apache.rocketmq.broker.BrokerStartup "$@"
END
docker build -q -t "apache/rocketmq:$rocketmq" -f - "$work/rocketmq" <<END
FROM $machine
COPY . /home/rocketmq
RUN mkdir -m 1777 /tmp && mkdir -p /root
ENV ROCKETMQ_HOME=/home/rocketmq
WORKDIR /home/rocketmq/bin
END

echo "── amazon/dynamodb-local:$dynamodb"
mkdir -p "$work/dynamodb"
cat >"$work/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>dynamodb</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>software.amazon.dynamodb</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>$dynamodb</version>
    </dependency>
  </dependencies>
</project>
END
jars "$work/dynamodb/lib" "$work/pom.xml"
{
    echo "Main-Class: software.amazon.dynamodb.services.local.main.ServerRunner"
    # A manifest's lines have 72 bytes at the most; each that goes on begins with a space.
    (cd "$work/dynamodb" && printf '%s ' "Class-Path:" lib/*.jar) | fold -b -w 70 | sed '2,$s/^/ /'
    echo
} >"$work/manifest"
jar -c -f "$work/dynamodb/DynamoDBLocal.jar" -m "$work/manifest"
docker build -q -t "amazon/dynamodb-local:$dynamodb" -f - "$work/dynamodb" <<END
FROM $machine
COPY . /home/dynamodblocal
RUN mkdir -m 1777 /tmp && mkdir -p /root
WORKDIR /home/dynamodblocal
ENV JAVA_TOOL_OPTIONS=-Dsqlite4java.library.path=/home/dynamodblocal/lib
ENTRYPOINT ["java"]
CMD ["-jar", "DynamoDBLocal.jar", "-inMemory", "-sharedDb"]
END
