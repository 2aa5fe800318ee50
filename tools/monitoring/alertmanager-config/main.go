// Command alertmanager-config prints the alertmanager.yaml that the Prometheus operator would make.
//
// It takes the base configuration as a file and, on standard input, one YAML stream with AlertmanagerConfigs and the
// Secrets that they name; objects of other kinds are passed over. It is the operator's own code (pkg/alertmanager),
// with its default matcher strategy OnNamespace.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/blang/semver/v4"
	"github.com/prometheus-operator/prometheus-operator/pkg/alertmanager"
	validation "github.com/prometheus-operator/prometheus-operator/pkg/alertmanager/validation/v1alpha1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/prometheus-operator/prometheus-operator/pkg/assets"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/fake"
	sigsyaml "sigs.k8s.io/yaml"
)

// alertmanagerVersion is the version of the Alertmanager that is built beside this program, from the same go.mod.
func alertmanagerVersion() (semver.Version, error) {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/prometheus/alertmanager" {
			return semver.ParseTolerant(module.Version)
		}
	}
	return semver.Version{}, errors.New("this program was built without its list of modules")
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: alertmanager-config BASE.yaml < manifests.yaml")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "alertmanager-config:", err)
		os.Exit(1)
	}
}

func run(base string, manifests io.Reader, out io.Writer) error {
	raw, err := os.ReadFile(base)
	if err != nil {
		return err
	}
	configs, secrets, err := read(manifests)
	if err != nil {
		return err
	}
	version, err := alertmanagerVersion()
	if err != nil {
		return err
	}
	clients := fake.NewClientset()
	ctx := context.Background()
	for _, secret := range secrets {
		if _, err := clients.CoreV1().Secrets(secret.Namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	builder := alertmanager.NewConfigBuilder(
		slog.New(slog.NewTextHandler(os.Stderr, nil)),
		version,
		assets.NewStoreBuilder(clients.CoreV1(), clients.CoreV1()),
		&monitoringv1.Alertmanager{ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring"}},
	)
	if err := builder.InitializeFromRawConfiguration(raw); err != nil {
		return err
	}
	if err := builder.AddAlertmanagerConfigs(ctx, configs); err != nil {
		return err
	}
	result, err := builder.MarshalJSON() // its name notwithstanding, this is YAML
	if err != nil {
		return err
	}
	_, err = out.Write(result)
	return err
}

// read takes the AlertmanagerConfigs, by namespace and name, and the Secrets out of a YAML stream.
func read(manifests io.Reader) (map[string]*monitoringv1alpha1.AlertmanagerConfig, []*corev1.Secret, error) {
	configs := map[string]*monitoringv1alpha1.AlertmanagerConfig{}
	var secrets []*corev1.Secret
	documents := yaml.NewYAMLReader(bufio.NewReader(manifests))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return configs, secrets, nil
		}
		if err != nil {
			return nil, nil, err
		}
		var kind metav1.TypeMeta
		if err := sigsyaml.Unmarshal(document, &kind); err != nil {
			return nil, nil, err
		}
		switch kind.Kind {
		case monitoringv1alpha1.AlertmanagerConfigKind:
			config := &monitoringv1alpha1.AlertmanagerConfig{}
			if err := sigsyaml.UnmarshalStrict(document, config); err != nil {
				return nil, nil, err
			}
			if err := validation.ValidateAlertmanagerConfig(config); err != nil {
				return nil, nil, fmt.Errorf("AlertmanagerConfig %s/%s: %w", config.Namespace, config.Name, err)
			}
			configs[config.Namespace+"/"+config.Name] = config
		case "Secret":
			secret := &corev1.Secret{}
			if err := sigsyaml.UnmarshalStrict(document, secret); err != nil {
				return nil, nil, err
			}
			secrets = append(secrets, withData(secret))
		}
	}
}

// withData moves stringData into data, as the API server does.
func withData(secret *corev1.Secret) *corev1.Secret {
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for key, value := range secret.StringData {
		secret.Data[key] = []byte(value)
	}
	secret.StringData = nil
	return secret
}
