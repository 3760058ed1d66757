// Package spansignerprocessor signs whole spans.
package spansignerprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"betrace/collector/processor/spansignerprocessor/internal/metadata"
)

// NewFactory makes the processor's factory.
func NewFactory() processor.Factory {
	return processor.NewFactory(metadata.Type, createDefaultConfig, processor.WithTraces(createTraces, metadata.TracesStability))
}

func createTraces(ctx context.Context, settings processor.Settings, config component.Config, next consumer.Traces) (processor.Traces, error) {
	configured := config.(*Config)
	if !configured.Enabled {
		return processorhelper.NewTraces(ctx, settings, config, next, unchanged, processorhelper.WithCapabilities(consumer.Capabilities{}))
	}
	signer, err := newSigner(configured, settings.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewTraces(ctx, settings, config, next, signer.process,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}),
		processorhelper.WithStart(signer.start),
		processorhelper.WithShutdown(signer.shutdown))
}
